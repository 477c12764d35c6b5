"""With whom work was shared: the rows that a node serves, the first few of them by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from engine.ir.consolidated import ConsolidatedPlan, Member, PlanNode
from engine.ir.ids import OperatorId, QueryIndex, Record

ROWS_NAMED = 4
"""Rows named where work was shared; however many there are, they are counted."""


class SharedRow(Record, frozen=True, kw_only=True):
    """A row that work was shared with, and the operator it was work of there."""

    index: QueryIndex
    id: str
    operator: OperatorId


def first_rows(plan: ConsolidatedPlan, node: PlanNode, but: Member | None = None) -> tuple[SharedRow, ...]:
    """The first few that a node of a plan serves, without one of its members."""
    others = (member for member in node.members if member != but)
    return tuple(
        SharedRow(
            index=plan.queries[query].index, id=plan.queries[query].id, operator=plan.operators[operator].id
        )
        for query, operator in islice(others, ROWS_NAMED)
    )


def rows_words(rows: Sequence[SharedRow], count: int, operator: OperatorId) -> str:
    """`#5 q05, #9 q09 and 96 more`; the operator is said where it is another one than `operator`."""
    names = [_name(row, operator) for row in rows]
    left = count - len(names)
    return ", ".join(names) + (f" and {left:,} more" if left > 0 else "")


def _name(row: SharedRow, operator: OperatorId) -> str:
    other = "" if row.operator == operator else f" ({row.operator.rpartition('/')[2]})"
    return f"#{row.index}" + (f" {row.id}" if row.id else "") + other
