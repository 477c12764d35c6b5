"""What the live state costs the coordinator: CPU per event, and per batch told to a viewer.

Events of a synthetic run of many rows over a 22-operator workflow, in the shapes and proportions a run
tells them; the fold alone, and the fold with a difference encoded twenty times in each second of the run.

With --held, also what the state holds after so many rows (slow: Python counts every allocation).

    python -m bench.live [--queries 10000] [--rate 20000] [--held 10000] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from engine.ir import event as ev
from engine.ir.ids import NodeId, OperatorId, QueryIndex, RunId, WorkerId
from engine.ir.logical import LogicalPlan
from engine.ir.options import Mechanisms
from engine.ir.physical import PhysicalPlan
from engine.ir.result import Usage
from engine.live.coalesce import difference
from engine.live.fold import LiveState
from engine.live.membership import KnownPlans
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.testing.plans import batch, flat_profiles, llm, workflow

OPERATORS = 22
IN_FLIGHT = 96
WINDOW = 2048
WORKERS = (WorkerId("w0"), WorkerId("w1"))
BATCHES_PER_S = 20
"""How often a viewer is told what changed."""


def chains() -> LogicalPlan:
    """Eleven pairs of operators side by side."""
    operators = []
    for i in range(OPERATORS // 2):
        operators.append(llm("w", f"first{i}", inputs=["q"]))
        operators.append(llm("w", f"second{i}", reads=[f"first{i}"]))
    return workflow(
        "w", operators, inputs=["q"], outputs={f"o{i}": f"second{i}" for i in range(OPERATORS // 2)}
    )


def plans(queries: int) -> Iterator[PhysicalPlan]:
    """Windows of distinct rows: nothing is merged, so that every pair has its events."""
    profiles, first = flat_profiles(list(WORKERS), ["m"], slots=16), 0
    for start in range(0, queries, WINDOW):
        size = min(WINDOW, queries - start)
        window = batch("w", [{"q": f"question {start + i}"} for i in range(size)], first=start)
        consolidated = consolidate((chains(),), window, first_node=first)
        first += len(consolidated.nodes)
        yield make_plan(consolidated, profiles, Mechanisms(scheduler="greedy"))


def events_of(plan: PhysicalPlan, rate: float, at: float) -> Iterator[ev.Event]:
    """A window as a run tells of it: dispatched, progress, completed; at `rate` events a second."""
    step = 1.0 / rate
    nodes, total = plan.consolidated.nodes, sum(len(n.members) for n in plan.consolidated.nodes)
    yield ev.WindowPlanned(
        at=at,
        queries=len(plan.consolidated.queries),
        nodes=len(nodes),
        logical_nodes=total,
        estimate_s=1.0,
        planner="greedy",
    )
    usage = Usage(prompt_tokens=300, computed_tokens=60, reused_tokens=240, decoded_tokens=24)
    for index, node in enumerate([*nodes, *[None] * IN_FLIGHT]):
        if node is not None:
            yield _dispatched(plan, node.id, index, at := at + step)
        if index >= IN_FLIGHT:
            done = nodes[index - IN_FLIGHT]
            for tokens in (8, 16):
                yield ev.TokensDecoded(at=(at := at + step), node=done.id, tokens=tokens)
            yield ev.NodeCompleted(
                at=(at := at + step),
                node=done.id,
                operator=plan.consolidated.operators[done.operator].id,
                lane=WORKERS[(index - IN_FLIGHT) % 2],
                members=len(done.members),
                started_s=at - IN_FLIGHT * 4 * step,
                usage=usage,
                waited_s=IN_FLIGHT * 2 * step,
                prefill_s=step,
            )
    for query in plan.consolidated.queries:
        yield ev.QueryFinished(at=(at := at + step), query=QueryIndex(query.index), id=query.id, status="ok")


def _dispatched(plan: PhysicalPlan, node: NodeId, index: int, at: float) -> ev.NodeDispatched:
    operator = plan.consolidated.nodes[index].operator
    return ev.NodeDispatched(
        at=at,
        node=node,
        operator=OperatorId(plan.consolidated.operators[operator].id),
        lane=WORKERS[index % 2],
        attempt=1,
    )


def windows(queries: int, rate: float, known: KnownPlans) -> Iterator[list[ev.Event]]:
    """The events of each window of the synthetic run, whose plan is known from then on."""
    at = 0.0
    for plan in plans(queries):
        known.add(plan)
        events = list(events_of(plan, rate, at))
        at = events[-1].at
        yield events


class Telling:
    """A run that has begun on its workers, and what its viewer is sent; `first` is where the viewer joins.

    `fold_s` and `batch_s` are the seconds of processor time that taking events and telling of them took.
    """

    def __init__(self, known: KnownPlans | None = None) -> None:
        self.fold_s = self.batch_s = 0.0
        self._state = LiveState(known)
        self._state.absorb(ev.RunStarted(at=0.0, run=RunId("bench")))
        for worker in WORKERS:
            self._state.absorb(ev.WorkerReady(at=0.0, worker=worker, pid=1, backend="echo"))
        self._known = self._state.snapshot()
        self.first = msgspec.msgpack.encode(self._known)

    def absorb(self, events: Iterable[ev.Event]) -> None:
        """Take events without telling of them."""
        since = time.thread_time()
        for event in events:
            self._state.absorb(event)
        self.fold_s += time.thread_time() - since

    def batches(
        self, events: Iterable[ev.Event], rate: float, per_s: float = BATCHES_PER_S
    ) -> Iterator[bytes]:
        """What is told of events that come at `rate` a second, `per_s` times in each, encoded.

        Nothing where nothing but the time has changed.
        """
        coming, size = iter(events), max(1, int(rate / per_s))
        while some := list(islice(coming, size)):
            self.absorb(some)
            since = time.thread_time()
            now = self._state.snapshot()
            changes = difference(self._known, now)
            batch = msgspec.msgpack.encode(changes)
            self._known = now
            self.batch_s += time.thread_time() - since
            if changes is not None:
                yield batch


def measure(queries: int, rate: float, batches_per_s: float) -> dict[str, float]:
    """Microseconds of CPU per event, and the share of a core at `rate` events a second."""
    known, sent, count = KnownPlans(), list[int](), 0
    telling = Telling(known)
    for events in windows(queries, rate, known):
        if batches_per_s:
            sent += map(len, telling.batches(events, rate, batches_per_s))
        else:
            telling.absorb(events)
        count += len(events)
    return {
        "events": count,
        "fold_us_per_event": telling.fold_s / count * 1e6,
        "batch_us": telling.batch_s / max(len(sent), 1) * 1e6,
        "batch_bytes": sum(sent) / max(len(sent), 1),
        "core_share": (telling.fold_s + telling.batch_s) / count * rate,
    }


def held(queries: int) -> dict[str, float]:
    """What the state holds when all rows are done, by Python's own count, and how long its snapshot is."""
    known = KnownPlans()
    state, at = LiveState(known), 0.0
    tracemalloc.start()
    for plan in plans(queries):
        known.add(plan)
        for event in events_of(plan, 20_000.0, at):
            state.absorb(event)
            at = event.at
        del plan
    gc.collect()
    bytes_held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    snapshot = msgspec.msgpack.encode(state.snapshot())
    return {"held_rows": queries, "held_bytes": bytes_held, "snapshot_bytes": len(snapshot)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=20_000.0)
    parser.add_argument("--batches", type=float, default=BATCHES_PER_S)
    parser.add_argument("--held", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.queries, options.rate, options.batches)
    if options.held:
        found |= held(options.held)
    for name, value in found.items():
        print(f"{name:24} {value:14.3f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
