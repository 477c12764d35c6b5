"""A moment of a run that somebody looks at, and what had come of a call by then."""

from __future__ import annotations

from engine.ir.ids import Record
from engine.ir.result import Failed, Failure, NodeOutcome


class Moment(Record, frozen=True, kw_only=True):
    """So many seconds since an attempt at the run began: the newest one if `attempt`, from 1, is None."""

    at_s: float
    attempt: int | None = None


class FailedThen(Record, frozen=True, kw_only=True):
    """A failure as it was told. What is kept of the call may be of a later one: failures can be taken back.

    `by_s` is when its work was over at the latest; None for a failure of an earlier attempt.
    """

    failure: Failure
    by_s: float | None


def outcome_then(kept: NodeOutcome | None, failed: FailedThen | None) -> NodeOutcome | None:
    """What had come of a settled node: what is `kept` of it, or the failure it had then."""
    if failed is None:
        return kept
    if not isinstance(kept, Failed) or kept.failure != failed.failure:
        return Failed(failure=failed.failure)
    later = failed.by_s is not None and kept.finished_s is not None and kept.finished_s > failed.by_s
    return Failed(failure=failed.failure) if later else kept
