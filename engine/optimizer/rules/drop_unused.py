"""Rule: leave out work that nothing reads."""

from __future__ import annotations

import msgspec

from engine.ir.consolidated import ConsolidatedPlan, Member, PlanNode
from engine.ir.ids import OperatorId
from engine.ir.logical import LogicalPlan, depends_on
from engine.optimizer.consolidate import renumber


def drop_unused(plan: ConsolidatedPlan) -> ConsolidatedPlan:
    """Drop operators no output needs, directly or through others, and that write nothing.

    before: outputs read a; a reads b; c reads b; w (effects: write) reads d
    after:  a, b, w, d remain; c is listed in `dropped`
    """
    needed = {operator for workflow in plan.workflows for operator in _needed(workflow)}
    dropped = {i for i, operator in enumerate(plan.operators) if operator.id not in needed}
    if dropped == set(plan.dropped):
        return plan
    kept = [node for node in (_without(node, dropped) for node in plan.nodes) if node is not None]
    slim = renumber(plan, kept)
    return msgspec.structs.replace(slim, dropped=tuple(sorted(dropped)))


def _needed(workflow: LogicalPlan) -> set[OperatorId]:
    """Closed under reading: operators come in topological order, so one pass from the end is enough."""
    needed = {
        source for output in workflow.outputs for binding in output.bindings for source in binding.sources
    }
    for operator in reversed(workflow.operators):
        if operator.id in needed or operator.policy.effects == "write":
            needed.add(operator.id)
            needed.update(depends_on(operator))
    return needed


def _without(node: PlanNode, dropped: set[int]) -> PlanNode | None:
    """The node for the members that are needed; None if there is none. Its work stays the same."""
    members: tuple[Member, ...] = tuple(member for member in node.members if member[1] not in dropped)
    if not members:
        return None
    return msgspec.structs.replace(node, operator=members[0][1], members=members)
