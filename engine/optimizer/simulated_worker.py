"""One simulated worker: slots, continuous batching, resident models, one thing computed at a time.

Time passes in rounds: in a round every running sequence decodes one token, and a round takes the sum over
active models of a decode step at that model's batch size. Prefill and loads stop the rounds meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from engine.ir.cost import ModelProfile, WorkerProfile, fair_share
from engine.ir.ids import ModelName
from engine.optimizer.cost_model import Resident, evaluate, make_resident, pace_s

QUEUE_AHEAD = 3
"""Requests a worker takes in per slot; only what waits beyond them is open to other workers."""

_EPSILON = 1e-6


@dataclass
class Lane:
    """How a worker spent a simulated run, in seconds of its own."""

    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    loads: int = 0


@dataclass
class NodeQueue:
    """An assignment under way: nodes that are ready, tokens to prefill for each, and how many are left."""

    epoch: int
    model: ModelName
    output_tokens: float
    tokens: dict[int, float]
    left: int
    ready: deque[int] = field(default_factory=deque)


class SimulatedWorker:
    """A worker with its queues in plan order. `ticket` numbers its wake-ups."""

    def __init__(self, profile: WorkerProfile, resident: Resident) -> None:
        self.lane = Lane()
        self.queues: list[NodeQueue] = []
        self.ticket = 0
        self._profile = profile
        self._models: dict[ModelName, ModelProfile] = {model.model: model for model in profile.models}
        self._resident = resident
        self._active: dict[ModelName, int] = dict.fromkeys(self._models, 0)
        self._running: list[tuple[float, int, ModelName]] = []
        self._rounds = 0.0
        self._round_s = 0.0
        self._since = 0.0
        self._loaded = False

    def committed(self, now: float) -> bool:
        """Whether a prefill or a load still runs; it wakes up after it anyway."""
        return self._since > now

    def finish(self, now: float) -> list[int]:
        """Decode up to `now` and return the nodes that ended."""
        if self._running:
            if self._round_s:
                self._rounds += (now - self._since) / self._round_s
            else:  # a profile of zero seconds: everything ends at once
                self._rounds = max(end for end, _, _ in self._running)
            self.lane.decode_s += now - self._since
        self._since = now
        self._loaded = False
        ended = []
        while self._running and self._running[0][0] <= self._rounds + _EPSILON:
            _, node, model = heappop(self._running)
            self._active[model] -= 1
            ended.append(node)
        return ended

    def admit(self, now: float, peers: Sequence[SimulatedWorker]) -> set[int]:
        """Start ready nodes of resident models in plan order, else load a model, else help a peer.

        Own work that waits for an absent model comes before a peer's: helping would put the load off while
        that work stays here (a third of the makespan in one of the test workloads).

        Returns the epochs of what started.
        """
        self.queues = [queue for queue in self.queues if queue.left]
        own = [queue for queue in self.queues if queue.ready and queue.model in self._resident]
        tokens: dict[ModelName, float] = {}
        epochs: set[int] = set()
        for queue in own:
            self._take(queue, tokens, epochs)
        if not any(queue.ready for queue in self.queues):
            for queue in self._backlog(peers):
                self._take(queue, tokens, epochs)
        if tokens:
            self._prefill(tokens, now)
        else:
            self._load(now)
        self._round_s = sum(
            evaluate(self._models[model].decode, number) for model, number in self._active.items() if number
        )
        return epochs

    @property
    def spare(self) -> bool:
        """Whether a slot is free and nothing of its own waits for it."""
        return sum(self._active.values()) < self._profile.slots and not any(q.ready for q in self.queues)

    def overloaded(self, queue: NodeQueue) -> bool:
        """Whether ready nodes of `queue` wait beyond what this worker has taken in already."""
        return self._active[queue.model] >= self._profile.slots and len(queue.ready) > self._taken_in

    @property
    def _taken_in(self) -> int:
        return (QUEUE_AHEAD - 1) * self._profile.slots

    def _backlog(self, peers: Sequence[SimulatedWorker]) -> list[NodeQueue]:
        return [
            queue
            for peer in peers
            if peer is not self
            for queue in peer.queues
            if queue.model in self._resident and peer.overloaded(queue) and self._takes_any(queue, peer)
        ]

    def _takes_any(self, queue: NodeQueue, peer: SimulatedWorker) -> bool:
        """Whether a fair share of what waits there is anything at all."""
        waiting = len(queue.ready) - peer._taken_in
        return fair_share(waiting, self._pace_s(queue.model), peer._pace_s(queue.model)) > 0

    def _pace_s(self, model: ModelName) -> float:
        return pace_s(self._models[model], self._profile.slots)

    def next_event(self, now: float) -> float | None:
        """When to act again without being woken."""
        if self._since > now or self._loaded:
            return self._since
        if self._running:
            return now + max(0.0, self._running[0][0] - self._rounds) * self._round_s
        return None

    def _take(self, queue: NodeQueue, tokens: dict[ModelName, float], epochs: set[int]) -> None:
        model, free = queue.model, self._profile.slots - self._active[queue.model]
        for _ in range(min(free, len(queue.ready))):
            node = queue.ready.popleft()
            self._active[model] += 1
            heappush(self._running, (self._rounds + queue.output_tokens, node, model))
            tokens[model] = tokens.get(model, 0.0) + queue.tokens[node]
            epochs.add(queue.epoch)

    def _prefill(self, tokens: dict[ModelName, float], now: float) -> None:
        seconds = sum(evaluate(self._models[model].prefill, number) for model, number in tokens.items())
        self.lane.prefill_s += seconds
        self._since = now + seconds
        touched = tuple(tokens)
        self._resident = (*(model for model in self._resident if model not in touched), *touched)

    def _load(self, now: float) -> None:
        """The first missing model ready nodes wait for, if it fits or nothing else is left to run; else the
        first one the plan will need, if it fits.
        """
        absent = [queue for queue in self.queues if queue.model not in self._resident]
        waiting = next((queue.model for queue in absent if queue.ready), None)
        idle = not self._running and not any(q.ready for q in self.queues if q.model in self._resident)
        model = waiting or (absent[0].model if absent else None)
        if model is None:
            return
        switch = make_resident(self._profile, self._resident, model)
        if switch.evicted and not (waiting and idle):
            return
        self._resident = switch.resident
        self.lane.load_s += switch.seconds
        self.lane.loads += 1
        self._loaded = True
        self._since = now + switch.seconds
