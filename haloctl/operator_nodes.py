"""All that ran for one operator, node by node, read from a run's journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import NodeId, OperatorId, QueryIndex, Record
from engine.ir.result import Completed, Failed, Usage
from engine.journal.view import RunView

MOST = 20_000
"""Nodes read of one operator: more than anyone scrolls through."""


class OperatorNode(Record, frozen=True, kw_only=True):
    """One node: the rows it serves, and how it went. Times are seconds since the run began."""

    node: NodeId
    rows: tuple[QueryIndex, ...]
    status: str = "pending"
    worker: str = ""
    started_s: float | None = None
    took_s: float | None = None
    usage: Usage | None = None
    attempts: int = 0
    code: str = ""


def read_operator(directory: Path, operator: OperatorId) -> tuple[OperatorNode, ...]:
    """The operator's nodes in the order they were planned, at most MOST. Raises JournalError."""
    found: list[OperatorNode] = []
    with RunView(directory) as view:
        for record in view.plans():
            for node in _of(view, record.plan.consolidated, operator):
                found.append(node)
                if len(found) >= MOST:
                    return tuple(found)
    return tuple(found)


def _of(view: RunView, plan: ConsolidatedPlan, operator: OperatorId) -> Iterator[OperatorNode]:
    ids = plan.operator_ids()
    if operator not in ids:
        return
    wanted = ids.index(operator)
    for node in plan.nodes:
        rows = tuple(plan.queries[query].index for query, each in node.members if each == wanted)
        if rows:
            yield _node(view, node, rows)


def _node(view: RunView, node: PlanNode, rows: tuple[QueryIndex, ...]) -> OperatorNode:
    record = view.node(node.key)
    match None if record is None else record.outcome:
        case Completed() as done:
            return OperatorNode(
                node=node.id,
                rows=rows,
                status="done",
                worker="" if done.provenance is None else done.provenance.worker,
                started_s=done.started_s,
                took_s=max(0.0, done.finished_s - done.started_s),
                usage=done.usage,
                attempts=done.attempts,
            )
        case Failed(failure=failure):
            return OperatorNode(
                node=node.id, rows=rows, status="failed", attempts=failure.attempts, code=failure.code
            )
        case None:
            return OperatorNode(node=node.id, rows=rows)
        case _:
            return OperatorNode(node=node.id, rows=rows, status="skipped")
