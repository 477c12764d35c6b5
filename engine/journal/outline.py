"""The beginning of what a plan's record holds: which rows, how many nodes. Read without making the nodes."""

from __future__ import annotations

import msgspec

from engine.ir.ids import QueryIndex
from engine.journal.codec import Unpacker


class RowOutline(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A query of a plan: its place in the table, and its id."""

    index: QueryIndex
    id: str


class PlanOutline(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One window's plan: its rows, how many nodes they came to, numbered from `first_node`, and the makespan
    that was expected.
    """

    queries: tuple[RowOutline, ...]
    nodes: int
    first_node: int
    estimate_s: float


# These leave out most fields of what they are read from, which a Record does not allow.
class _Node(msgspec.Struct, frozen=True, gc=False):
    """A node of which nothing is read."""


class _Consolidated(msgspec.Struct, frozen=True, gc=False):
    queries: tuple[RowOutline, ...]
    nodes: tuple[_Node, ...]
    first_node: int = 0


class _Estimate(msgspec.Struct, frozen=True, gc=False):
    makespan_s: float = 0.0


class _Plan(msgspec.Struct, frozen=True, gc=False):
    consolidated: _Consolidated
    estimate: _Estimate


class _PlanRecord(msgspec.Struct, frozen=True, gc=False):
    plan: _Plan


_PLAN: Unpacker[_PlanRecord] = Unpacker(_PlanRecord)


def outline_of(payload: bytes) -> PlanOutline:
    """From a plan's stored payload. Raises JournalError when it is not one."""
    plan = _PLAN(payload).plan
    consolidated = plan.consolidated
    return PlanOutline(
        queries=consolidated.queries,
        nodes=len(consolidated.nodes),
        first_node=consolidated.first_node,
        estimate_s=plan.estimate.makespan_s,
    )
