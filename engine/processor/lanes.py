"""Who runs next where: ready queues of workers and tool kinds, and model residency. Sans-I/O.

The plan is a priority, not a barrier. A worker prefers the ready node that comes first in the plan among
those whose model is resident. It loads another model when that fits beside, or when nothing it could run is
left for the models it holds. While the plan still has work for those to come (behind slow tools, say), a
switch has to pay: it waits until a full load of other work is there, or as long as two switches take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from engine.ir.cost import fair_share
from engine.ir.ids import ModelName, NodeId, WorkerId
from engine.processor.nodes import NodeState, Priority

QUEUE_AHEAD = 3
"""Requests in flight per slot: what runs, and what the backend may choose the next from."""


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A worker as the scheduler sees it. `models`: bytes each needs, weights and cache.

    `pace_s`: seconds of a decoded token at full load, by model, where workers differ in that.
    """

    worker: WorkerId
    slots: int
    memory_bytes: int
    models: Mapping[ModelName, int]
    pace_s: Mapping[ModelName, float] = field(default_factory=dict)


Entry = tuple[Priority, NodeId, NodeState]


@dataclass(slots=True)
class LlmLane:
    """One worker's queues and what it holds."""

    spec: LaneSpec
    up: bool = False
    loading: ModelName | None = None
    resident: dict[ModelName, None] = field(default_factory=dict)
    preload: deque[ModelName] = field(default_factory=deque)
    in_flight: dict[NodeId, NodeState] = field(default_factory=dict)
    ready: dict[ModelName, list[Entry]] = field(default_factory=dict)
    suspects: deque[NodeState] = field(default_factory=deque)
    solo: bool = False
    retired: bool = False
    crowded: bool = False
    """The worker had to unload what was thought to fit: nothing is loaded beside any more."""
    wary: set[ModelName] = field(default_factory=set)
    """Models that were being loaded in a crash with nodes in flight: loaded alone, to tell who did it."""
    unsettled: dict[tuple[int, ModelName], int] = field(default_factory=dict)
    """Nodes the plan gave this worker that are not settled, by epoch and model."""
    load_s: dict[ModelName, float] = field(default_factory=dict)
    idle_since: float | None = None
    limit: int | None = None
    """Sequences allowed at once, where that is fewer than the worker has slots."""

    @property
    def slots(self) -> int:
        """Sequences that may run at once."""
        return self.spec.slots if self.limit is None else self.limit

    @property
    def capacity(self) -> int:
        """Requests that may be in flight at once. Under a limit none waits in the worker: it would run."""
        return self.spec.slots * QUEUE_AHEAD if self.limit is None else self.limit

    def push(self, node: NodeState, model: ModelName, priority: Priority) -> None:
        heappush(self.ready.setdefault(model, []), (priority, node.id, node))

    def queued(self, models: Iterable[ModelName]) -> int:
        return sum(len(self.ready.get(model, ())) for model in models)

    def waiting(self) -> list[NodeState]:
        """Everything queued, left where it is."""
        return [entry[2] for heap in self.ready.values() for entry in heap] + list(self.suspects)

    def take_queued(self, model: ModelName | None = None) -> list[NodeState]:
        """Everything queued, or what is queued for one model, taken off."""
        models = tuple(self.ready) if model is None else (model,)
        taken = [entry[2] for name in models for entry in self.ready.pop(name, [])]
        taken += [node for node in self.suspects if model in (None, node.model)]
        self.suspects = deque(node for node in self.suspects if model not in (None, node.model))
        return taken

    def remove(self, node: NodeState) -> None:
        """Take a queued node off, wherever it waits."""
        if node in self.suspects:
            self.suspects.remove(node)
        elif node.model in self.ready:
            _remove(self.ready[node.model], node)

    def pop(self) -> NodeState | None:
        """The next node for a resident model, or None. Suspects run alone and before all else."""
        if not self.up or self.loading is not None or self.solo:
            return None
        if self.suspects:
            return self._pop_suspect()
        if len(self.in_flight) >= self.capacity:
            return None
        model = self._best(self.resident)
        return None if model is None else heappop(self.ready[model])[2]

    def _pop_suspect(self) -> NodeState | None:
        model = self.suspects[0].model
        if self.in_flight or model not in self.resident:
            return None
        self.solo = True
        return self.suspects.popleft()

    def wanted_model(self, at: float) -> ModelName | None:
        """The model to load now, or None. Called when `pop` gave nothing more."""
        if not self.up or self.loading is not None:
            return None
        if self.suspects:
            model = self.suspects[0].model
            return None if self.in_flight or model in self.resident else model
        missing = [model for model, heap in self.ready.items() if heap and model not in self.resident]
        best = self._best(missing)
        if best is not None:
            beside = self.fits(best) and best not in self.wary
            return best if beside or self._may_switch(best, at) else None
        while self.preload and self.preload[0] in self.resident:
            self.preload.popleft()
        if self.preload and self.fits(self.preload[0]) and not (self.wary and self.in_flight):
            return self.preload.popleft()
        return None

    def _may_switch(self, model: ModelName, at: float) -> bool:
        """Whether to give up what is resident, which has nothing to run now, for a model with work."""
        if self.in_flight or self.queued(self.resident):
            self.idle_since = None
            return False
        heap = self.ready[model]
        epoch = heap[0][0][0]
        expected = any(name in self.resident and at_epoch <= epoch for at_epoch, name in self.unsettled)
        if not expected or len(heap) >= self.capacity:
            return True
        if self.idle_since is None:
            self.idle_since = at
        return at - self.idle_since >= self.patience_s

    @property
    def patience_s(self) -> float:
        """How long to wait for planned work instead of switching: what two loads take at worst."""
        return 2 * max(self.load_s.values(), default=0.0)

    def count_unsettled(self, epoch: int, model: ModelName, change: int) -> None:
        """Nodes planned here are new (positive) or settled (negative)."""
        left = self.unsettled[epoch, model] = self.unsettled.get((epoch, model), 0) + change
        if not left:
            del self.unsettled[epoch, model]

    def reset(self) -> None:
        """The process died: nothing is resident or in flight."""
        if self.loading is not None and self.in_flight:
            self.wary.add(self.loading)
        self.up = False
        self.loading = None
        self.solo = False
        self.idle_since = None
        self.resident.clear()
        self.in_flight.clear()

    def _best(self, models: Iterable[ModelName]) -> ModelName | None:
        candidates = [model for model in models if self.ready.get(model)]
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return min(candidates, key=lambda model: self.ready[model][0][:2])

    def fits(self, model: ModelName) -> bool:
        """Whether a model has room beside those that are resident, as far as is known."""
        if self.crowded:
            return not self.resident
        held = sum(self.spec.models.get(name, 0) for name in self.resident)
        return held + self.spec.models.get(model, 0) <= self.spec.memory_bytes


@dataclass(slots=True)
class ToolLane:
    """One tool kind's queue."""

    kind: str
    concurrency: int
    ready: list[Entry] = field(default_factory=list)
    in_flight: dict[NodeId, NodeState] = field(default_factory=dict)

    def push(self, node: NodeState, priority: Priority) -> None:
        heappush(self.ready, (priority, node.id, node))

    def remove(self, node: NodeState) -> None:
        """Take a queued node off."""
        _remove(self.ready, node)

    def pop(self) -> NodeState | None:
        """The next node, or None while the kind is at its concurrency."""
        if not self.ready or len(self.in_flight) >= self.concurrency:
            return None
        return heappop(self.ready)[2]


def _remove(heap: list[Entry], node: NodeState) -> None:
    """Take one node out of a queue, if it is there; rare, so the whole queue may be looked through."""
    kept = [entry for entry in heap if entry[2] is not node]
    if len(kept) < len(heap):
        heap[:] = kept
        heapify(heap)


def take_share(lane: LlmLane, others: Iterable[LlmLane]) -> bool:
    """Move what waits on another worker, for a model `lane` holds, to `lane`; False if nothing does.

    Half of it between workers alike; else as much as lets both end at once, which may be none for a slow one.
    Only for a lane with free slots and nothing of its own, and from one that is full or down: the plan's
    placement is kept otherwise. What comes last in plan order goes, so that prefix runs stay together.
    """
    if not lane.up or lane.loading or lane.solo or lane.suspects:
        return False
    if len(lane.in_flight) >= lane.slots or lane.queued(lane.resident):
        return False
    for other in others:
        if other is lane or (other.up and len(other.in_flight) < other.slots):
            continue
        for model in lane.resident:
            waiting = sorted(other.ready.get(model, ()), key=lambda entry: entry[:2])
            pace_s = (spec.pace_s.get(model, 0.0) for spec in (lane.spec, other.spec))
            kept = len(waiting) - fair_share(len(waiting), *pace_s)
            if kept < len(waiting):
                other.ready[model], lane.ready[model] = waiting[:kept], waiting[kept:]  # sorted: heaps
                for _priority, _id, node in waiting[kept:]:
                    node.lane = lane.spec.worker
                return True
    return False
