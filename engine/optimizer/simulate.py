"""An event-driven simulation of a schedule under the cost model, node by node.

The objective that schedulers minimise treats epochs as barriers. A run does not: a node starts when its
inputs are there, its model is resident and a slot is free, and the plan only decides who goes first. This
is that run, with mean times; it gives a plan its estimate and compares schedulers fairly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import ceil

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.ids import ModelName
from engine.optimizer.problem import Problem
from engine.optimizer.schedule import Placement, Schedule, Step, schedule_steps
from engine.optimizer.simulated_worker import Lane, NodeQueue, SimulatedWorker
from engine.optimizer.turns import Turns


@dataclass
class Span:
    """When something began and ended, in seconds; start is infinite while it has not."""

    start_s: float = float("inf")
    end_s: float = 0.0


@dataclass(frozen=True)
class Simulation:
    """The simulated run. `epochs` are aligned with the schedule's; `tools_s` sums all calls."""

    makespan_s: float
    lanes: tuple[Lane, ...]
    epochs: tuple[Span, ...]
    tools_s: float


def simulate(
    problem: Problem,
    plan: ConsolidatedPlan,
    schedule: Schedule,
    *,
    sharing: bool = True,
    overlap_tools: bool = True,
    barriers: bool = False,
) -> Simulation:
    """Run `schedule` in simulated time.

    `sharing=False` computes every prompt in full; `overlap_tools=False` adds the tools' seconds instead of
    running them beside inference; `barriers=True` begins an operator when all before it are done.
    """
    run = _Run(problem, plan, schedule, sharing=sharing, barriers=barriers)
    if not overlap_tools:
        for calls in run.calls:
            calls.mean_s = 0.0
    makespan_s = run.to_the_end()
    if not overlap_tools:
        makespan_s += sum(tool.seconds for tool in problem.tools)
    return Simulation(
        makespan_s=makespan_s,
        lanes=tuple(worker.lane for worker in run.workers),
        epochs=tuple(run.epochs),
        tools_s=sum(len(tool.nodes) * tool.profile.mean_s for tool in problem.tools),
    )


@dataclass
class _Calls:
    """One tool operator: calls waiting for a free connection, and how many run."""

    mean_s: float
    concurrency: int
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0


class _Run:
    """State of a simulated run. Nodes are positions in the plan; events are (time, order, actor, item).

    Actors 0, 1, … are workers and item is the ticket of a wake-up; actor −1 − t is tool t and item a node.
    """

    def __init__(
        self,
        problem: Problem,
        plan: ConsolidatedPlan,
        schedule: Schedule,
        *,
        sharing: bool,
        barriers: bool,
    ) -> None:
        self.problem = problem
        self.plan = plan
        self.epochs = [Span() for _ in schedule]
        self.workers = [
            SimulatedWorker(profile, resident)
            for profile, resident in zip(problem.workers, problem.resident, strict=True)
        ]
        self.turns = Turns(node.operator for node in plan.nodes) if barriers else None
        self.calls = [_Calls(t.profile.mean_s, max(1, t.profile.concurrency)) for t in problem.tools]
        self.needless: set[int] = set()
        self.owner: list[int] = [0] * len(plan.nodes)
        self.queue_of: dict[int, NodeQueue] = {}
        self._events: list[tuple[float, int, int, int]] = []
        self._order = count()
        self._place_nodes(schedule, sharing)
        self.missing, self.readers = self._edges()

    def to_the_end(self) -> float:
        """Handle events until none is left; the time of the last node's end."""
        for node, missing in enumerate(self.missing):
            if not missing:
                self._make_ready(node, 0.0)
        for worker in range(len(self.workers)):
            self._wake(worker, 0.0)
        last = 0.0
        while self._events:
            now, _, actor, item = heappop(self._events)
            if actor < 0:
                self._end_call(-1 - actor, item, now)
                last = now
            elif self.workers[actor].ticket == item and self._act(actor, now):
                last = now
        return last

    def _place_nodes(self, schedule: Schedule, sharing: bool) -> None:
        first = self.plan.first_node
        for tool, work in enumerate(self.problem.tools):
            nodes = tuple(called - first for called in work.nodes)
            self.needless |= needless(nodes, work.distinct)
            for node in nodes:
                self.owner[node] = -1 - tool
        steps = schedule_steps(self.problem, schedule)
        for epoch, placements in enumerate(schedule):
            for place, step in zip(placements, steps[epoch], strict=True):
                queue, nodes = self._queue(epoch, place, step, sharing)
                self.workers[place.worker].queues.append(queue)
                self.needless |= needless(nodes, self.problem.llms[place.llm].distinct)
                for node in nodes:
                    self.owner[node] = place.worker
                    self.queue_of[node] = queue

    def _queue(
        self, epoch: int, place: Placement, step: Step, sharing: bool
    ) -> tuple[NodeQueue, tuple[int, ...]]:
        """The placement's nodes with the tokens each adds when its predecessor was computed before it."""
        work = self.problem.llms[place.llm]
        start, stop = work.cuts[place.shards - 1][place.shard : place.shard + 2]
        prompts = work.prompts
        nodes = tuple(node - self.plan.first_node for node in prompts.nodes[start:stop])
        tokens = list(prompts.prompt[start:stop])
        if sharing:
            tokens = prompts.added(start, stop)
            distinct = sum(tokens)
            cold = max(0.0, distinct - step.reused_tokens) / distinct
            tokens = [number * cold for number in tokens]
        queue = NodeQueue(
            epoch=epoch,
            model=ModelName(work.model),
            output_tokens=work.expected.tokens,
            tokens=dict(zip(nodes, tokens, strict=True)),
            left=len(nodes),
        )
        return queue, nodes

    def _edges(self) -> tuple[list[int], list[list[int]]]:
        """Inputs each node waits for, and who reads it."""
        missing, readers = [0] * len(self.plan.nodes), [list[int]() for _ in self.plan.nodes]
        first = self.plan.first_node
        for position, node in enumerate(self.plan.nodes):
            sources = {source - first for candidates in node.inputs for source in candidates}
            missing[position] = len(sources)
            for source in sources:
                readers[source].append(position)
        return missing, readers

    def _make_ready(self, node: int, now: float) -> None:
        if self.turns is not None and self.turns.hold(node):
            return
        if node in self.needless:
            self._settle(node, now)
            return
        owner = self.owner[node]
        if owner >= 0:
            queue = self.queue_of[node]
            queue.ready.append(node)
            if not self.workers[owner].committed(now):
                self._wake(owner, now)
            if self.workers[owner].overloaded(queue):
                self._wake_spare(owner, now)
            return
        calls = self.calls[-1 - owner]
        calls.waiting.append(node)
        self._start_calls(-1 - owner, now)

    def _wake_spare(self, owner: int, now: float) -> None:
        for worker, other in enumerate(self.workers):
            if worker != owner and other.spare and not other.committed(now):
                self._wake(worker, now)

    def _start_calls(self, tool: int, now: float) -> None:
        calls = self.calls[tool]
        while calls.waiting and calls.running < calls.concurrency:
            calls.running += 1
            self._push(now + calls.mean_s, -1 - tool, calls.waiting.popleft())

    def _end_call(self, tool: int, node: int, now: float) -> None:
        self.calls[tool].running -= 1
        self._start_calls(tool, now)
        self._complete(node, now)

    def _complete(self, node: int, now: float) -> None:
        for reader in self.readers[node]:
            self.missing[reader] -= 1
            if not self.missing[reader]:
                self._make_ready(reader, now)
        if self.turns is not None:
            for released in self.turns.settled(node):
                self._make_ready(released, now)

    def _act(self, worker: int, now: float) -> bool:
        """Let a worker go on; whether a node ended."""
        ended = self.workers[worker].finish(now)
        for node in ended:
            self._settle(node, now)
        for epoch in self.workers[worker].admit(now, self.workers):
            self.epochs[epoch].start_s = min(self.epochs[epoch].start_s, now)
        next_s = self.workers[worker].next_event(now)
        if next_s is not None:
            self._wake(worker, next_s)
        return bool(ended)

    def _settle(self, node: int, now: float) -> None:
        """A node is done, or equal to one that is."""
        queue = self.queue_of.get(node)
        if queue is not None:
            queue.left -= 1
            self.epochs[queue.epoch].end_s = now
        self._complete(node, now)

    def _wake(self, worker: int, at: float) -> None:
        """Only the last wake-up asked for counts."""
        self.workers[worker].ticket += 1
        self._push(at, worker, self.workers[worker].ticket)

    def _push(self, at: float, actor: int, item: int) -> None:
        heappush(self._events, (at, next(self._order), actor, item))


def needless(nodes: Sequence[int], distinct: float) -> set[int]:
    """Those of an operator's nodes that take another's value, spread evenly; the first never does.

    Which they will be is not known. They are taken to be done as soon as they could start.
    """
    return {node for i, node in enumerate(nodes) if ceil((i + 1) * distinct) == ceil(i * distinct)}


def total(lanes: Sequence[Lane]) -> Lane:
    """Sums over workers."""
    return Lane(
        load_s=sum(lane.load_s for lane in lanes),
        prefill_s=sum(lane.prefill_s for lane in lanes),
        decode_s=sum(lane.decode_s for lane in lanes),
        loads=sum(lane.loads for lane in lanes),
    )
