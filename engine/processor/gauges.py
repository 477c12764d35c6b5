"""What lanes and workers have in hand, told now and then and only when it changed. Sans-I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from engine.ir import event as ev
from engine.ir.ids import OperatorId, WorkerId
from engine.processor.dispatch import Dispatcher
from engine.processor.nodes import NodeState
from engine.processor.protocol import Measured


class Gauges:
    """Remembers what was told last."""

    def __init__(self) -> None:
        self._lanes: dict[str, ev.LaneMeasured] = {}
        self._workers: dict[WorkerId, ev.WorkerMeasured] = {}
        self._latest: dict[WorkerId, Measured] = {}

    def note(self, measured: Measured) -> None:
        """A worker said how it is."""
        self._latest[measured.worker] = measured

    def read(self, dispatcher: Dispatcher, at: float) -> list[ev.Event]:
        """Events for all that changed since the last reading."""
        told: list[ev.Event] = []
        for lane, queued, in_flight, limit in dispatcher.queues():
            event = ev.LaneMeasured(
                at=at, lane=lane, queued=len(queued), in_flight=in_flight, limit=limit, ready=_pairs(queued)
            )
            if _differs(self._lanes.get(lane), event):
                self._lanes[lane] = event
                told.append(event)
        for worker, latest in self._latest.items():
            measured = _measured(latest, dispatcher, at)
            if _differs(self._workers.get(worker), measured):
                self._workers[worker] = measured
                told.append(measured)
        return told


def _measured(latest: Measured, dispatcher: Dispatcher, at: float) -> ev.WorkerMeasured:
    used = dispatcher.ledger.worker(latest.worker)
    return ev.WorkerMeasured(
        at=at,
        worker=latest.worker,
        prefill_s=used.prefill_s,
        decode_s=used.decode_s,
        sequences=latest.sequences,
        waiting=latest.waiting,
        resident_bytes=latest.resident_bytes,
        cells_used=latest.cells_used,
        cells_total=latest.cells_total,
    )


def _differs(
    before: ev.LaneMeasured | ev.WorkerMeasured | None, now: ev.LaneMeasured | ev.WorkerMeasured
) -> bool:
    return before is None or msgspec.structs.replace(before, at=now.at) != now


def _pairs(nodes: Iterable[NodeState]) -> dict[OperatorId, int]:
    """How many (query, operator) pairs of each operator the nodes serve."""
    counts: Counter[OperatorId] = Counter()
    for node in nodes:
        operators = node.window.consolidated.operators
        counts.update(operators[operator].id for _query, operator in node.plan.members)
    return dict(counts)
