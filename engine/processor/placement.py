"""Where the plans put each node, and which of their epochs are under way. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import InvariantBroken
from engine.ir import event as ev
from engine.ir.ids import NodeId, OperatorId, WorkerId
from engine.ir.logical import ToolOperator
from engine.ir.physical import PhysicalPlan, epoch_span
from engine.processor.lanes import LlmLane
from engine.processor.nodes import NodeState
from engine.processor.protocol import Tell


class Placement:
    """The epochs of all plans adopted so far, numbered through; a node is forgotten when it settles."""

    def __init__(self, lanes: Mapping[WorkerId, LlmLane]) -> None:
        self._lanes = lanes
        self._assigned: dict[NodeId, tuple[WorkerId, int, int, int]] = {}
        self._tool_epoch: dict[OperatorId, tuple[int, int]] = {}
        self._left_in_epoch: dict[int, int] = {}
        self._started_epochs: set[int] = set()
        self._next_epoch = 0

    def adopt(self, plan: PhysicalPlan) -> None:
        """Take a window's epochs, numbered after those of earlier windows."""
        base = self._next_epoch
        for epoch in plan.epochs:
            index = base + epoch.index
            for rank, assignment in enumerate(epoch.assignments):
                lane = self._lanes.get(assignment.worker)
                if lane is None:
                    raise InvariantBroken(f"plan names unknown worker {assignment.worker}")
                if assignment.model not in lane.preload:
                    lane.preload.append(assignment.model)
                lane.count_unsettled(index, assignment.model, len(assignment.nodes))
                for position, node in enumerate(assignment.nodes):
                    self._assigned[node] = (assignment.worker, index, rank, position)
                self._left_in_epoch[index] = self._left_in_epoch.get(index, 0) + len(assignment.nodes)
            for rank, operator in enumerate(epoch.prepare):
                self._tool_epoch.setdefault(operator, (index, rank))
        self._next_epoch = base + epoch_span(plan)

    def place(self, node: NodeState) -> None:
        """Give a new node its lane, epoch, rank and position; an LLM node must be assigned."""
        if isinstance(node.operator, ToolOperator):
            node.epoch, node.rank = self._tool_epoch.get(node.operator.id, (0, 0))
            node.position = node.id
            return
        placed = self._assigned.get(node.id)
        if placed is None:
            raise InvariantBroken(f"node {node.id} ({node.operator.id}) is assigned to no worker")
        node.lane, node.epoch, node.rank, node.position = placed

    def started(self, node: NodeState, at: float) -> list[Tell]:
        """A node goes to a worker: tells when it is the first of its epoch."""
        if node.epoch in self._started_epochs:
            return []
        self._started_epochs.add(node.epoch)
        return [Tell(ev.EpochStarted(at=at, index=node.epoch))]

    def settled(self, node: NodeState, at: float) -> list[Tell]:
        """A node is done for good: tells when it was the last of its epoch."""
        placed = self._assigned.pop(node.id, None)
        if placed is None:
            return []
        worker, epoch, _rank, _position = placed
        self._lanes[worker].count_unsettled(epoch, node.model, -1)
        self._left_in_epoch[epoch] -= 1
        if self._left_in_epoch[epoch] or epoch not in self._started_epochs:
            return []
        return [Tell(ev.EpochFinished(at=at, index=epoch))]
