"""Graphs of operators: of a workflow as it is written, and of a batch as it is consolidated."""

from __future__ import annotations

from collections.abc import Iterable

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.logical import LlmOperator, LogicalPlan, Operator, depends_on
from haloctl.graph.model import Graph, GraphNode, make_graph


def workflow_graph(plan: LogicalPlan) -> Graph:
    """One node an operator, an edge from each operator to those that read it."""
    edges = ((source, operator.id) for operator in plan.operators for source in depends_on(operator))
    return make_graph(_nodes(plan.operators), edges)


def consolidated_graph(plan: ConsolidatedPlan) -> Graph:
    """The operators that have calls of their own left, and who reads whose results.

    An operator whose calls were all merged into another's has no node here: `absorbed` names it.
    """
    operator_of = {node.id: node.operator for node in plan.nodes}
    edges = {
        (plan.operators[operator_of[source]].id, plan.operators[node.operator].id)
        for node in plan.nodes
        for candidates in node.inputs
        for source in candidates
    }
    used = set(operator_of.values())
    return make_graph(_nodes([o for i, o in enumerate(plan.operators) if i in used]), edges)


def absorbed(plan: ConsolidatedPlan) -> dict[str, tuple[str, ...]]:
    """For each operator that does others' calls too, the ids of those others."""
    found: dict[int, dict[int, None]] = {}
    for node in plan.nodes:
        for _, position in node.members:
            if position != node.operator:
                found.setdefault(node.operator, {})[position] = None
    return {
        plan.operators[operator].id: tuple(plan.operators[other].id for other in sorted(others))
        for operator, others in found.items()
    }


def _nodes(operators: Iterable[Operator]) -> list[GraphNode]:
    """Operators go by their names alone where there is one workflow."""
    operators = tuple(operators)
    workflows = {operator.id.partition("/")[0] for operator in operators}
    return [
        GraphNode(
            id=operator.id,
            label=operator.id.partition("/")[2] if len(workflows) == 1 else operator.id,
            kind="llm" if isinstance(operator, LlmOperator) else operator.tool,
        )
        for operator in operators
    ]
