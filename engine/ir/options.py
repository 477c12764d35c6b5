"""How a batch is run: which mechanisms are on, and the limits of patience."""

from __future__ import annotations

from typing import Final, Literal

from engine.ir.ids import Record

SCHEDULER_NAMES: Final = ("epoch_dp", "greedy", "round_robin", "level", "min_switch", "brute_force")
"""The schedulers there are: named here so that naming them does not import the planner."""


class Mechanisms(Record, frozen=True, kw_only=True):
    """Each optimisation by itself, so that a benchmark can take one away. All off = row by row.

    merge: identical work is one node at plan time. coalesce: … at run time, by content key.
    prefix_sharing: KV prefixes are reused in the backend. prefix_order: nodes of an assignment are
    sorted by prompt. scheduler: name in `engine.optimizer.schedulers`. overlap_tools: tools run while
    models infer. row_by_row: one query after another, one node at a time. barriers: operator by operator,
    each begun when all before it are done.
    """

    merge: bool = True
    coalesce: bool = True
    prefix_sharing: bool = True
    prefix_order: bool = True
    scheduler: str = "epoch_dp"
    overlap_tools: bool = True
    row_by_row: bool = False
    barriers: bool = False


NAIVE = Mechanisms(
    merge=False,
    coalesce=False,
    prefix_sharing=False,
    prefix_order=False,
    scheduler="level",
    overlap_tools=False,
    row_by_row=True,
)
"""What a loop around a server does; the reference in equivalence tests."""


class RunOptions(Record, frozen=True, kw_only=True):
    """Options of one run; stored with it, so that `resume` uses the same.

    usage: rows count their tokens. models: rows name what produced each of their answers.
    """

    mechanisms: Mechanisms = Mechanisms()
    order: Literal["input", "completion"] = "input"
    reproducible: bool = False
    use_cache: bool = False
    usage: bool = False
    models: bool = False
    window_queries: int = 4096
    grace_s: float = 10.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    heartbeat_s: float = 30.0
    total_s: float | None = None
