"""The consolidated plan: one graph for the whole batch, with shared work merged.

A node is an operator for the set of queries for which it does the same work.
"""

from __future__ import annotations

from engine.ir.batch import Query, RejectedRow
from engine.ir.ids import ContentKey, ModelName, NodeId, OperatorId, Record
from engine.ir.logical import LogicalPlan, Operator

Member = tuple[int, int]
"""(position in ConsolidatedPlan.queries, position in ConsolidatedPlan.operators)."""


class PlanNode(Record, frozen=True, kw_only=True):
    """One distinct piece of work.

    `members[0]` is the representative: its operator and its query's bindings render the work. `inputs`
    is aligned with the representative operator's `bindings`; each entry lists candidate nodes in the
    binding's source order.
    """

    id: NodeId
    operator: int
    members: tuple[Member, ...]
    inputs: tuple[tuple[NodeId, ...], ...]
    key: ContentKey
    """Structural key; unique in the plan."""
    known_tokens: int = 0
    """Prompt tokens known at plan time (literal text and query inputs), estimated where no tokenizer was
    given; what operators contribute comes on top. 0 for tools."""


class PrefixGroup(Record, frozen=True, kw_only=True):
    """Nodes whose prompts begin with the same tokens; groups form a forest by `parent`.

    `tokens` counts the whole shared prefix (parent's included), estimated where no tokenizer was given.
    """

    id: int
    parent: int | None
    model: ModelName
    tokens: int
    nodes: tuple[NodeId, ...]
    label: str = ""


class ConsolidatedPlan(Record, frozen=True, kw_only=True):
    """Every (query, operator of its workflow) is a member of exactly one node, unless `dropped` says so.

    `nodes` are in topological order and `nodes[i].id == first_node + i`. `dropped` lists positions in
    `operators` whose work is left out for every query because nothing reads it.
    """

    workflows: tuple[LogicalPlan, ...]
    operators: tuple[Operator, ...]
    queries: tuple[Query, ...]
    nodes: tuple[PlanNode, ...]
    prefix_groups: tuple[PrefixGroup, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    first_node: int = 0
    dropped: tuple[int, ...] = ()

    def operator_ids(self) -> tuple[OperatorId, ...]:
        """Ids aligned with `operators`."""
        return tuple(operator.id for operator in self.operators)
