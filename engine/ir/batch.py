"""A batch: queries for one or several workflows, and the rows that could not become one."""

from __future__ import annotations

from engine.ir.ids import Json, QueryIndex, Record
from engine.ir.result import Failure


class Query(Record, frozen=True, kw_only=True):
    """One input row. `index` is its place in the input; `id` need not be unique."""

    index: QueryIndex
    id: str
    workflow: str
    bindings: dict[str, Json]


class RejectedRow(Record, frozen=True, kw_only=True):
    """An input row that cannot be run; it becomes a failed result with the same index."""

    index: QueryIndex
    id: str
    workflow: str
    failure: Failure


class Batch(Record, frozen=True, kw_only=True):
    """One window of an input table, in input order. Index ranges of windows do not overlap."""

    queries: tuple[Query, ...]
    rejected: tuple[RejectedRow, ...] = ()
