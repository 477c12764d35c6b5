"""What a picture of a plan tells: the consolidated graph, and beside each operator its work and its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.ir.consolidated import ConsolidatedPlan, PrefixGroup
from engine.ir.ids import OperatorId, Record
from engine.ir.logical import LlmOperator
from engine.ir.physical import PhysicalPlan
from engine.optimizer.explain_text import seconds
from haloctl.graph.model import Graph
from haloctl.graph.operators import absorbed, consolidated_graph

SHOWN_PREFIXES = 4
"""Prefix groups told of, those that save most."""


class OperatorFacts(Record, frozen=True, kw_only=True):
    """One operator: `calls` are asked for by queries, `distinct` are left to do."""

    label: str
    kind: str
    """`llm`, or the kind of tool."""
    model: str = ""
    calls: int = 0
    distinct: int = 0
    epochs: tuple[int, ...] = ()
    workers: tuple[str, ...] = ()
    prefix_tokens: int = 0
    """The longest beginning that several of its prompts share, with each other or with other operators'."""
    absorbed: tuple[str, ...] = ()
    """Labels of operators whose calls it does too."""


class PlanPicture(Record, frozen=True, kw_only=True):
    """`operators` are aligned with the graph's nodes. `notes` are sentences about the whole."""

    title: str
    summary: str
    graph: Graph
    operators: tuple[OperatorFacts, ...]
    notes: tuple[str, ...] = ()


def picture_of(plan: PhysicalPlan) -> PlanPicture:
    """The picture of one planned window of a batch."""
    consolidated = plan.consolidated
    graph = consolidated_graph(consolidated)
    labels = _labels(consolidated)
    calls, distinct = _work(consolidated)
    epochs, workers = _placement(plan)
    others, prefixes = absorbed(consolidated), _longest_prefixes(consolidated)
    models = {o.id: o.model for o in consolidated.operators if isinstance(o, LlmOperator)}
    operators = tuple(
        OperatorFacts(
            label=labels[OperatorId(node.id)],
            kind=node.kind,
            model=models.get(OperatorId(node.id), ""),
            calls=calls[node.id],
            distinct=distinct[node.id],
            epochs=tuple(sorted(epochs.get(node.id, ()))),
            workers=tuple(sorted(workers.get(node.id, ()))),
            prefix_tokens=prefixes.get(node.id, 0),
            absorbed=tuple(labels[OperatorId(other)] for other in others.get(node.id, ())),
        )
        for node in graph.nodes
    )
    return PlanPicture(
        title=", ".join(workflow.workflow for workflow in consolidated.workflows),
        summary=_summary(plan, sum(calls.values())),
        graph=graph,
        operators=operators,
        notes=tuple(_prefix_notes(consolidated, labels)),
    )


def _labels(plan: ConsolidatedPlan) -> dict[OperatorId, str]:
    alone = len(plan.workflows) == 1
    return {o.id: o.id.partition("/")[2] if alone else o.id for o in plan.operators}


def _work(plan: ConsolidatedPlan) -> tuple[dict[str, int], dict[str, int]]:
    """Per operator that represents nodes: calls these nodes answer, and the nodes."""
    calls: dict[str, int] = {}
    distinct: dict[str, int] = {}
    for node in plan.nodes:
        operator = plan.operators[node.operator].id
        calls[operator] = calls.get(operator, 0) + len(node.members)
        distinct[operator] = distinct.get(operator, 0) + 1
    return calls, distinct


def _placement(plan: PhysicalPlan) -> tuple[dict[str, set[int]], dict[str, set[str]]]:
    epochs: dict[str, set[int]] = {}
    workers: dict[str, set[str]] = {}
    for epoch in plan.epochs:
        for assignment in epoch.assignments:
            epochs.setdefault(assignment.operator, set()).add(epoch.index)
            workers.setdefault(assignment.operator, set()).add(assignment.worker)
        for operator in epoch.prepare:
            epochs.setdefault(operator, set()).add(epoch.index)
    return epochs, workers


def _operators_of(plan: ConsolidatedPlan, group: PrefixGroup) -> Iterable[OperatorId]:
    first = plan.first_node
    return dict.fromkeys(plan.operators[plan.nodes[node - first].operator].id for node in group.nodes)


def _longest_prefixes(plan: ConsolidatedPlan) -> dict[str, int]:
    longest: dict[str, int] = {}
    for group in plan.prefix_groups:
        if len(group.nodes) > 1:
            for operator in _operators_of(plan, group):
                longest[operator] = max(longest.get(operator, 0), group.tokens)
    return longest


def _prefix_notes(plan: ConsolidatedPlan, labels: Mapping[OperatorId, str]) -> Iterable[str]:
    tokens = {group.id: group.tokens for group in plan.prefix_groups}

    def saved(group: PrefixGroup) -> int:
        own = group.tokens - (tokens[group.parent] if group.parent is not None else 0)
        return (len(group.nodes) - 1) * own

    groups = sorted(plan.prefix_groups, key=lambda group: (-saved(group), group.id))
    for group in [group for group in groups if saved(group) > 0][:SHOWN_PREFIXES]:
        names = ", ".join(labels[operator] for operator in _operators_of(plan, group))
        yield (
            f"{len(group.nodes):,} prompts of {names} begin with the same {group.tokens:,} tokens "
            f"({saved(group):,} saved)"
        )


def _summary(plan: PhysicalPlan, calls: int) -> str:
    consolidated = plan.consolidated
    parts = [
        f"{len(consolidated.queries):,} queries",
        f"{calls:,} calls → {len(consolidated.nodes):,} distinct",
        f"{len(plan.epochs)} epochs",
        f"estimated {seconds(plan.estimate.makespan_s)}",
    ]
    return " · ".join(parts)


def work_text(facts: OperatorFacts) -> str:
    """`64 → 12`, or `64` where nothing is shared."""
    if facts.calls == facts.distinct:
        return f"{facts.calls:,}"
    return f"{facts.calls:,} → {facts.distinct:,}"


def place_text(facts: OperatorFacts) -> str:
    """Model or kind of tool, worker, epochs: `M · w0 · epoch 1–2`."""
    parts = [facts.model or facts.kind, *([", ".join(facts.workers)] if facts.workers else [])]
    if facts.epochs:
        first, last = facts.epochs[0], facts.epochs[-1]
        parts.append(f"epoch {first}" if first == last else f"epochs {first}–{last}")
    return " · ".join(parts)
