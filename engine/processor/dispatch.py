"""Dispatch: the plan's priorities turned into work on lanes. Sans-I/O.

Owns the lanes (`lanes.py`) and where the plans put nodes (`placement.py`); the run state asks it what may
start now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop
from typing import Literal

from engine.ir import event as ev
from engine.ir.ids import ContentKey, ModelName, NodeId, WorkerId
from engine.ir.logical import LlmOperator, Operator, ToolOperator
from engine.ir.options import Mechanisms
from engine.ir.result import Failure
from engine.processor.lanes import LaneSpec, LlmLane, ToolLane, take_share
from engine.processor.ledger import Ledger
from engine.processor.nodes import NodeState, Priority, Status
from engine.processor.placement import Placement
from engine.processor.protocol import (
    Dispatch,
    Instruction,
    LaneUp,
    LlmWork,
    Load,
    LoadFailed,
    Remind,
    Resident,
    Tell,
)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a worker's death gave back: nodes in flight, whether one ran alone, the model being loaded."""

    nodes: tuple[NodeState, ...]
    solo: bool
    loading: ModelName | None


class Dispatcher:
    """All lanes of a run and the order in which ready nodes enter them."""

    def __init__(
        self,
        lanes: tuple[LaneSpec, ...],
        tool_concurrency: Mapping[str, int],
        mechanisms: Mechanisms,
    ) -> None:
        self.ledger = Ledger()
        self._mechanisms = mechanisms
        self._llm = {spec.worker: LlmLane(spec) for spec in lanes}
        self._tools = {kind: ToolLane(kind, n) for kind, n in tool_concurrency.items()}
        self.placement = Placement(self._llm)
        self._unloadable: dict[tuple[WorkerId, ModelName], Failure] = {}

    @property
    def in_flight(self) -> int:
        """Nodes out on any lane."""
        llm = sum(len(lane.in_flight) for lane in self._llm.values())
        return llm + sum(len(lane.in_flight) for lane in self._tools.values())

    @property
    def workers(self) -> dict[WorkerId, int]:
        """Slots of each worker, by name."""
        return {worker: lane.spec.slots for worker, lane in self._llm.items()}

    @property
    def tool_kinds(self) -> tuple[str, ...]:
        """Kinds of tools the run uses."""
        return tuple(self._tools)

    def spec(self, worker: WorkerId) -> LaneSpec:
        """What a worker offers."""
        return self._llm[worker].spec

    def queues(self) -> Iterator[tuple[str, list[NodeState], int, int]]:
        """Each lane's name, what is queued on it, how many nodes are out, and how many may be."""
        for worker, lane in self._llm.items():
            yield worker, lane.waiting(), len(lane.in_flight), lane.capacity
        for kind, tool in self._tools.items():
            yield kind, [entry[2] for entry in tool.ready], len(tool.in_flight), tool.concurrency

    def idempotent(self, operator: Operator) -> bool:
        """Whether repeating a write is safe: the call carries an idempotency key."""
        return isinstance(operator, ToolOperator) and bool(operator.arguments.get("idempotency_key"))

    # --- queues -------------------------------------------------------------------------------------

    def push(self, node: NodeState) -> Failure | None:
        """Queue a ready node, on its own lane if that can run it; why not, when no lane ever can.

        A suspect goes before all others of its lane.
        """
        match node.operator:
            case LlmOperator(model=model):
                lane = self._lane_for(node, model)
                if lane is None:
                    return self._refusal(node.lane, model)
                if node.suspect and not self._mechanisms.row_by_row:  # there every node runs alone anyway
                    lane.suspects.appendleft(node)
                else:
                    lane.push(node, model, self._priority(node))
            case ToolOperator(tool=kind):
                node.lane = kind
                self._tools[kind].push(node, self._priority(node))
        return None

    def _lane_for(self, node: NodeState, model: ModelName) -> LlmLane | None:
        """The lane the plan chose, or the least loaded of those that can stand in for it."""
        planned = self._llm[WorkerId(node.lane)]
        if not planned.retired and (planned.spec.worker, model) not in self._unloadable:
            return planned
        others = list(self._substitutes(planned, model))
        if not others:
            return None
        chosen = min(others, key=lambda lane: len(lane.in_flight) + lane.queued(lane.ready))
        node.lane = chosen.spec.worker
        return chosen

    def _substitutes(self, lane: LlmLane, model: ModelName) -> Iterator[LlmLane]:
        for other in self._llm.values():
            unloadable = (other.spec.worker, model) in self._unloadable
            if other is not lane and not other.retired and not unloadable and model in other.spec.models:
                yield other

    def _refusal(self, lane: str, model: ModelName) -> Failure:
        known = self._unloadable.get((WorkerId(lane), model))
        return known or Failure(code="worker_lost", message=f"no worker is left that runs {model}")

    def _priority(self, node: NodeState) -> Priority:
        if self._mechanisms.row_by_row:
            return (node.window.queries[node.plan.members[0][0]].query.index, 0, "", node.epoch)
        text = ""
        if self._mechanisms.prefix_order and node.prepared is not None:
            work = node.prepared.work
            if isinstance(work, LlmWork):
                text = "\0".join(message.content for message in work.request.messages)
        return (node.epoch, node.rank, text, node.position)

    def note_busy(self, at: float) -> None:
        """Tell the ledger which workers have anything in flight; once after each burst is enough."""
        for worker, lane in self._llm.items():
            self.ledger.mark_busy(worker, len(lane.in_flight), at)

    def withdraw(self, node: NodeState) -> None:
        """Take a ready node off its lane's queue, if it is in one."""
        if isinstance(node.operator, ToolOperator):
            self._tools[node.operator.tool].remove(node)
        else:
            self._llm[WorkerId(node.lane)].remove(node)

    # --- limits -------------------------------------------------------------------------------------

    def limit_calls(self, kind: str, calls: int) -> bool:
        """How many calls of a known kind may run at once, from now on; False if it was so before."""
        lane = self._tools[kind]
        before, lane.concurrency = lane.concurrency, calls
        return before != calls

    def limit_sequences(self, worker: WorkerId, sequences: int) -> bool:
        """How many sequences a known worker may run at once; False if it was so before."""
        lane = self._llm[worker]
        before = lane.slots
        lane.limit = sequences if sequences < lane.spec.slots else None
        return before != sequences

    def restore_limit(self, name: str, value: int) -> None:
        """A limit of an earlier attempt, by the name it was told under; of what is gone, none."""
        lane, _, of = name.partition(".")
        if lane == "tool" and of in self._tools:
            self.limit_calls(of, value)
        elif lane == "worker" and of in self._llm:
            self.limit_sequences(WorkerId(of), value)

    # --- scheduling ---------------------------------------------------------------------------------

    def schedule(self, at: float) -> list[Instruction]:
        """Everything that may start now."""
        out: list[Instruction] = []
        if self._mechanisms.row_by_row:
            self._schedule_one(out, at)
            return out
        if self._mechanisms.overlap_tools or not self._llm_in_flight():
            for tool in self._tools.values():
                while (node := tool.pop()) is not None:
                    out.extend(self._start(node, tool.in_flight, at))
        if self._mechanisms.overlap_tools or not self._tools_busy():
            for lane in self._llm.values():
                self._fill(lane, out, at)
        return out

    def _fill(self, lane: LlmLane, out: list[Instruction], at: float) -> None:
        while True:
            while (node := lane.pop()) is not None:
                out.extend(self._start_llm(lane, node, at))
            if not take_share(lane, self._llm.values()):
                break
        self._load_if_wanted(lane, out, at)

    def _load_if_wanted(self, lane: LlmLane, out: list[Instruction], at: float) -> None:
        waited_since = lane.idle_since
        model = lane.wanted_model(at)
        if model is not None and (lane.spec.worker, model) not in self._unloadable:
            self._load(lane, model, out, at)
        elif lane.idle_since is not None and waited_since is None:
            out.append(Remind(lane.spec.worker, lane.patience_s))

    def _load(self, lane: LlmLane, model: ModelName, out: list[Instruction], at: float) -> None:
        lane.loading = model
        lane.idle_since = None
        out.append(Tell(ev.ModelLoading(at=at, worker=lane.spec.worker, model=model)))
        out.append(Load(lane.spec.worker, model))

    def _schedule_one(self, out: list[Instruction], at: float) -> None:
        """Row by row: the first node of the first unfinished query, alone, once its model is there."""
        if self.in_flight:
            return
        tools = [(lane.ready[0], lane) for lane in self._tools.values() if lane.ready]
        heads = [
            (heap[0], lane, model)
            for lane in self._llm.values()
            for model, heap in lane.ready.items()
            if heap
        ]
        tool = min(tools, key=lambda head: head[0][:2], default=None)
        llm = min(heads, key=lambda head: head[0][:2], default=None)
        if tool is not None and (llm is None or tool[0][:2] < llm[0][:2]):
            node = tool[1].pop()
            assert node is not None
            out.extend(self._start(node, tool[1].in_flight, at))
        elif llm is not None:
            self._start_alone(llm[1], llm[2], out, at)

    def _start_alone(self, lane: LlmLane, model: ModelName, out: list[Instruction], at: float) -> None:
        if not lane.up or lane.loading is not None:
            return
        if model in lane.resident:
            out.extend(self._start_llm(lane, heappop(lane.ready[model])[2], at))
        else:
            self._load(lane, model, out, at)

    def _start_llm(self, lane: LlmLane, node: NodeState, at: float) -> list[Instruction]:
        return [*self.placement.started(node, at), *self._start(node, lane.in_flight, at)]

    def _start(self, node: NodeState, in_flight: dict[NodeId, NodeState], at: float) -> tuple[Tell, Dispatch]:
        assert node.prepared is not None
        node.move(Status.DISPATCHED)
        node.attempts += 1
        node.dispatched_s = at
        in_flight[node.id] = node
        policy = node.operator.policy
        intent: ContentKey | None = node.plan.key if policy.effects == "write" else None
        dispatched = ev.NodeDispatched(
            at=at,
            node=node.id,
            operator=node.operator.id,
            lane=node.lane,
            attempt=node.attempts,
            members=len(node.plan.members),
        )
        return Tell(dispatched), Dispatch(
            node.id, node.lane, node.prepared.work, node.attempts, policy.timeout_s, intent
        )

    def _llm_in_flight(self) -> bool:
        return any(lane.in_flight for lane in self._llm.values())

    def _tools_busy(self) -> bool:
        return any(lane.ready or lane.in_flight for lane in self._tools.values())

    # --- what comes back ----------------------------------------------------------------------------

    def release(self, node: NodeState) -> None:
        """An attempt ended: its place on the lane is free."""
        if isinstance(node.operator, ToolOperator):
            self._tools[node.lane].in_flight.pop(node.id, None)
            return
        lane = self._llm[WorkerId(node.lane)]
        lane.in_flight.pop(node.id, None)
        if not lane.in_flight:
            lane.solo = False

    # --- workers ------------------------------------------------------------------------------------

    def lane_up(self, stimulus: LaneUp) -> None:
        """A worker process answered its handshake."""
        lane = self._llm[stimulus.worker]
        lane.up = True
        lane.resident.update(dict.fromkeys(stimulus.resident))

    def resident(self, stimulus: Resident) -> None:
        """Models came to a worker or left it."""
        lane = self._llm[stimulus.worker]
        if stimulus.loaded is not None:
            expected = lane.resident.keys() & set(stimulus.unloaded)  # not what an earlier run left
            lane.crowded |= bool(expected) and lane.fits(stimulus.loaded)
        for model in stimulus.unloaded:
            lane.resident.pop(model, None)
        if stimulus.loaded is not None:
            lane.loading = None
            lane.resident[stimulus.loaded] = None
            if stimulus.load_s:
                lane.load_s[stimulus.loaded] = stimulus.load_s

    def load_failed(self, stimulus: LoadFailed) -> list[NodeState]:
        """A model cannot be loaded on a worker: what waited there for it is to be pushed again."""
        lane = self._llm[stimulus.worker]
        lane.loading = None
        self._unloadable[stimulus.worker, stimulus.model] = stimulus.failure
        return lane.take_queued(stimulus.model)

    def worker_died(self, worker: WorkerId) -> Returned:
        """Nothing is in flight on it or resident any more; it wants the same models again."""
        lane = self._llm[worker]
        returned = Returned(
            tuple(lane.in_flight.values()),
            lane.solo or (self._mechanisms.row_by_row and bool(lane.in_flight)),
            lane.loading,
        )
        resident = deque(lane.resident)
        lane.reset()
        lane.preload.extendleft(reversed([m for m in resident if m not in lane.preload]))
        return returned

    def replaceable(self, worker: WorkerId) -> bool:
        """Whether all that this worker can run, another can run too."""
        lane = self._llm[worker]
        wanted = [m for m in lane.spec.models if (worker, m) not in self._unloadable]
        return all(next(self._substitutes(lane, model), None) is not None for model in wanted)

    def worker_status(self, worker: WorkerId) -> Literal["up", "down", "retired"] | None:
        """How a worker stands; None when there is none of that name."""
        lane = self._llm.get(worker)
        if lane is None:
            return None
        return "retired" if lane.retired else "up" if lane.up else "down"

    def revive(self, worker: WorkerId) -> None:
        """A worker that was given up gets another chance: it is down, and about to start."""
        self._llm[worker].retired = False

    def retire(self, worker: WorkerId) -> list[NodeState]:
        """The worker will not come back: what was queued on it is to be pushed again."""
        lane = self._llm[worker]
        lane.retired = True
        return lane.take_queued()
