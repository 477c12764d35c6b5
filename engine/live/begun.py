"""Since when calls that have no token yet have had a slot in their worker: what is computed, and what waits.

Slots are a model's. Who has one is told when a call is done; until then it is taken to be those sent out
first. Where others wait, every slot was taken: theirs came free as the calls before them ended.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from engine.ir.ids import ModelName, NodeId, OperatorId
from engine.live.shape import OperatorShape
from engine.live.state import RunningNode, Span, WorkerLive

Models = Mapping[OperatorId, ModelName | None]


def begun(
    running: Iterable[RunningNode],
    workers: Iterable[WorkerLive],
    operators: Iterable[OperatorShape],
    spans: Sequence[Span],
) -> dict[NodeId, float | None]:
    """Calls sent to workers and without a token: since when they have a slot, None where they have none yet.

    `spans` are the latest, those that ended last at the end.
    """
    known = {str(worker.id): worker for worker in workers}
    models = {operator.id: operator.model for operator in operators}
    calls: dict[tuple[str, ModelName | None], list[RunningNode]] = defaultdict(list)
    for node in running:
        if node.lane in known:
            calls[node.lane, models.get(node.operator)].append(node)
    found: dict[NodeId, float | None] = {}
    for (lane, model), sent in calls.items():
        before = sorted((node for node in sent if node.first_token_s is None), key=_sent)
        free = max(0, _slots(known[lane], model) - len(sent) + len(before))
        found |= {node.node: node.since_s for node in before[:free]}
        if before[free:]:
            found |= dict.fromkeys(node.node for node in before[free:])
            ends = (each.end_s for each in reversed(spans) if _ended(each, lane, models, model))
            latest = zip(reversed(before[:free]), ends, strict=False)
            found |= {node.node: max(node.since_s, end_s) for node, end_s in latest}
    return found


def _slots(worker: WorkerLive, model: ModelName | None) -> int:
    """Slots for calls of a model, or of all where it is not known whose they are; unlimited if unknown."""
    if model is not None and model not in worker.models:
        return 0
    return (worker.slots if model is not None else worker.slots * max(1, len(worker.models))) or sys.maxsize


def _ended(found: Span, lane: str, models: Models, model: ModelName | None) -> bool:
    """Whether the span is the end of a call that had a slot for the model."""
    return found.lane == lane and found.kind == "decode" and models.get(OperatorId(found.what)) == model


def _sent(node: RunningNode) -> float:
    return node.since_s
