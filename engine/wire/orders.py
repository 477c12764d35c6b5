"""Orders: what a person may ask of a running run, and how the run answers.

An order is idempotent wherever that is possible: what holds already is answered with `changed` False.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from engine.ir.ids import QueryIndex, Record, WorkerId

MOST_CALLS = 256
"""Tool calls of one kind that may be allowed at once."""
QUERY_NAME_LENGTH = 1024

QueryName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=QUERY_NAME_LENGTH)]
"""A row's id, or its index from 0 as `#N`."""


class PauseRun(Record, tag=True, frozen=True, kw_only=True):
    """Dispatch nothing more; what runs finishes."""


class ContinueRun(Record, tag=True, frozen=True, kw_only=True):
    """Go on after a pause."""


class CancelRun(Record, tag=True, frozen=True, kw_only=True):
    """Stop the run, resumable: what runs gets the grace of the settings to finish, or nothing `at_once`."""

    at_once: bool = False


class CancelQuery(Record, tag=True, frozen=True, kw_only=True):
    """End a row now, as failed with code `cancelled`; work that other rows share goes on for them."""

    query: QueryName


class RequeueFailed(Record, tag=True, frozen=True, kw_only=True):
    """Take failed rows back and run them again. Without `queries` all but cancelled ones and bad input."""

    queries: tuple[QueryName, ...] = ()


class RestartWorker(Record, tag=True, frozen=True, kw_only=True):
    """Kill a worker's process and start a new one; what it was doing is done again."""

    worker: WorkerId


class LimitCalls(Record, tag=True, frozen=True, kw_only=True):
    """How many calls of a tool kind may run at once, from now on."""

    kind: str
    calls: Annotated[int, Meta(ge=1, le=MOST_CALLS)]


class LimitSequences(Record, tag=True, frozen=True, kw_only=True):
    """How many sequences a worker may run at once, at most its slots; None gives all slots back."""

    worker: WorkerId
    sequences: Annotated[int, Meta(ge=1)] | None = None


class LimitTotal(Record, tag=True, frozen=True, kw_only=True):
    """When the run drains by itself, in seconds since it began; None: never."""

    total_s: Annotated[float, Meta(gt=0, le=1e9)] | None = None


Order: TypeAlias = (
    PauseRun
    | ContinueRun
    | CancelRun
    | CancelQuery
    | RequeueFailed
    | RestartWorker
    | LimitCalls
    | LimitSequences
    | LimitTotal
)


class Done(Record, tag=True, frozen=True, kw_only=True):
    """The order was carried out. `changed` is False when nothing was left to do.

    `rows` are those the order was about, where it was about rows.
    """

    words: str
    changed: bool = True
    rows: tuple[QueryIndex, ...] = ()


class Refused(Record, tag=True, frozen=True, kw_only=True):
    """The order was not carried out, and nothing changed. `code` is one of REFUSALS."""

    code: str
    words: str
    fix: str


REFUSALS: dict[str, str] = {
    "unknown_query": "no such row is under way: it is finished, not planned yet, or not of this run",
    "unknown_worker": "the run has no worker of that name",
    "unknown_tool": "the run uses no tool of that kind",
    "out_of_range": "the limit cannot be that high",
    "nothing_failed": "no row of that name has failed",
    "cannot_requeue": "the run's rows cannot be taken back, or its table cannot be read again",
    "stopping": "the run is stopping, and takes no more such orders",
    "over": "the run is over",
}
"""Refusal code → meaning."""

Answer: TypeAlias = Done | Refused
