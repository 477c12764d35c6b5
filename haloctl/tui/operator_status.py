"""How an operator stands, as a plain value: what the graph shows of a running batch."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ir.ids import Record
from haloctl.tui.scales import counted
from haloctl.tui.themes import State

_LEAST_TOTAL = 999
"""Labels leave room for this many calls, so that small growth does not move them."""


class OperatorStatus(Record, frozen=True, kw_only=True):
    """Distinct calls of one operator, by where they are.

    `total` counts the calls known so far; `done` those that have a result, of which `coalesced` were served
    by another call's execution and `cached` by an earlier run; `failed` were made, `blocked` were not,
    because what they read failed. What is in none of the counts waits for its inputs.
    """

    operator: str
    total: int = 0
    queued: int = 0
    running: int = 0
    done: int = 0
    coalesced: int = 0
    cached: int = 0
    failed: int = 0
    blocked: int = 0
    skipped: int = 0

    @property
    def settled(self) -> int:
        """Calls that will not change any more."""
        return self.done + self.failed + self.blocked + self.skipped


def together(statuses: Sequence[OperatorStatus]) -> OperatorStatus:
    """Several operators that are drawn as one, under the name of the first."""
    if len(statuses) == 1:
        return statuses[0]
    return OperatorStatus(
        operator=statuses[0].operator,
        **{name: sum(getattr(each, name) for each in statuses) for name in _COUNTS},
    )


def state_of(status: OperatorStatus) -> State:
    """One state for all calls of an operator: what runs comes first, then what failed."""
    if status.running:
        return "running"
    if status.failed:
        return "failed"
    if status.queued:
        return "queued"
    if not status.total or status.settled < status.total:
        return "pending"
    if status.blocked:
        return "blocked"
    if not status.done:
        return "skipped"
    return "cached" if status.cached == status.done else "done"


_COUNTS = tuple(name for name in OperatorStatus.__struct_fields__ if name != "operator")


def counts_text(status: OperatorStatus) -> str:
    """`412/500`; nothing while no calls are known."""
    return f"{counted(status.settled)}/{counted(status.total)}" if status.total else ""


def counts_cells(status: OperatorStatus) -> int:
    """Cells that `counts_text` may come to take while the total stays as it is."""
    return 1 + 2 * (5 if status.total > _LEAST_TOTAL else len(str(_LEAST_TOTAL)))


def share_text(status: OperatorStatus) -> str:
    """`82%` of calls settled, never 100% before all are; nothing while no calls are known."""
    return f"{status.settled * 100 // status.total}%" if status.total else ""


def described(status: OperatorStatus) -> str:
    """All that is known in one line: `412 of 500 · 3 running · 12 coalesced · 1 failed`."""
    if not status.total:
        return "nothing to do yet"
    parts = [f"{counted(status.settled)} of {counted(status.total)}"]
    for name in ("running", "queued", "coalesced", "cached", "failed", "blocked", "skipped"):
        count = getattr(status, name)
        if count:
            parts.append(f"{counted(count)} {name}")
    return " · ".join(parts)
