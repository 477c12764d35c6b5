"""Mutable records of the run state: nodes and queries in flight, and the table of legal moves."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from engine.errors import InvariantBroken
from engine.ir.batch import Query
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import ModelName, NodeId
from engine.ir.logical import LlmOperator, LogicalPlan, Operator
from engine.ir.result import Failure, NodeOutcome
from engine.processor.protocol import Prepared


class Status(IntEnum):
    """Where a node stands. Integers, because a plain Enum hashes in Python on every move."""

    WAITING = 0
    READY = 1
    DISPATCHED = 2
    FOLLOWING = 3
    COMPLETED = 4
    FAILED = 5
    SKIPPED = 6


SETTLED = frozenset({Status.COMPLETED, Status.FAILED, Status.SKIPPED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.WAITING: frozenset({Status.READY}) | SETTLED,
    Status.READY: frozenset({Status.DISPATCHED, Status.FOLLOWING}) | SETTLED,
    Status.DISPATCHED: frozenset({Status.READY, Status.COMPLETED, Status.FAILED}),
    Status.FOLLOWING: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.SKIPPED: frozenset(),
}

Priority: TypeAlias = tuple[int, int, str, int]
"""(epoch, rank of the operator in it, prompt text where prefix order is on, position)."""


class NodeState:
    """One plan node in flight; dropped once every row that needs it is out."""

    __slots__ = (
        "attempts",
        "dependents",
        "dispatched_s",
        "epoch",
        "errors",
        "followers",
        "id",
        "lane",
        "live",
        "operator",
        "outcome",
        "plan",
        "position",
        "prepared",
        "rank",
        "status",
        "suspect",
        "waiting",
        "window",
    )

    def __init__(self, plan: PlanNode, operator: Operator, window: Window) -> None:
        self.id: NodeId = plan.id
        self.plan = plan
        self.operator = operator
        self.window = window
        self.status = Status.WAITING
        self.suspect = False
        self.waiting = 0
        self.dependents: list[NodeState] = []
        self.followers: list[NodeState] = []
        self.outcome: NodeOutcome | None = None
        self.prepared: Prepared | None = None
        self.attempts = 0
        self.dispatched_s: float | None = None
        self.errors = 0
        self.lane = ""
        self.epoch = 0
        self.rank = 0
        self.position = 0
        self.live = len(plan.members)

    @property
    def wanted(self) -> bool:
        """Whether some row still needs it, or a node that does the same work for one."""
        return self.live > 0 or bool(self.followers)

    @property
    def model(self) -> ModelName:
        """The model of an LLM node; raises InvariantBroken for a tool's."""
        if isinstance(self.operator, LlmOperator):
            return self.operator.model
        raise InvariantBroken(f"node {self.id} ({self.operator.id}) has no model")

    def move(self, to: Status) -> None:
        """Raises InvariantBroken on an illegal move."""
        if to not in TRANSITIONS[self.status]:
            raise InvariantBroken(
                f"node {self.id} ({self.operator.id}) cannot go from {self.status.name} to {to.name}"
            )
        self.status = to


class QueryState:
    """One row in flight: its nodes by operator, and how many are not settled. `done`: it is out."""

    __slots__ = ("done", "failure", "nodes", "query", "remaining", "window", "workflow")

    def __init__(self, query: Query, workflow: LogicalPlan, window: Window) -> None:
        self.query = query
        self.workflow = workflow
        self.window = window
        self.nodes: dict[int, NodeState] = {}
        self.remaining = 0
        self.failure: Failure | None = None
        self.done = False


class Window:
    """One planned part of the batch that joined the run."""

    __slots__ = ("consolidated", "queries")

    def __init__(self, consolidated: ConsolidatedPlan) -> None:
        self.consolidated = consolidated
        workflows = {plan.workflow: plan for plan in consolidated.workflows}
        self.queries = [QueryState(query, workflows[query.workflow], self) for query in consolidated.queries]
