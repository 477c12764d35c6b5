"""Failed rows of a live run, planned once more: what the processor needs when somebody requeues them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from engine.errors import ConfigError, InputError
from engine.ir.batch import Batch
from engine.ir.ids import ContentKey, QueryIndex
from engine.ir.physical import PhysicalPlan
from engine.ir.result import NodeOutcome, QueryResult, RowStatus
from engine.journal.output import ResultWriter
from engine.journal.store import RunStore
from engine.journal.view import RunView
from haloctl.planning import NodeNumbers, Planner

NOT_AGAIN = frozenset({"bad_row", "cancelled"})
"""Failures that another attempt cannot mend, or was not asked for: run again only when named."""


class RowsAgain:
    """A `SecondChance` for a run of `haloctl batch`. `read` gives the run's table anew, batch by batch.

    Close it. Planning and `failed` are called one at a time, the look-ups by the run's own thread.
    """

    def __init__(
        self,
        store: RunStore,
        writer: ResultWriter,
        planner: Callable[[], Planner],
        numbers: NodeNumbers,
        read: Callable[[], Iterator[Batch]],
    ) -> None:
        self._store = store
        self._writer = writer
        self._planner = planner
        self._numbers = numbers
        self._read = read
        self._view: RunView | None = None

    def failed(self, queries: tuple[str, ...]) -> tuple[tuple[QueryIndex, RowStatus], ...]:
        """Failed rows of these names, by input order. Raises ConfigError where rows cannot be taken back."""
        if not self._writer.revocable:
            raise ConfigError(
                "rows went to stdout as they finished, and cannot be taken back",
                fix="after the run: haloctl resume RUN --retry-failed",
            )
        with closing(RunView(self._store.directory)) as view:
            bad = [QueryIndex(index) for index, status in view.query_statuses() if status != "ok"]
            rows = [row for row in map(view.query, bad) if row is not None]
        return tuple((row.index, row.status) for row in rows if _asked_for(row, queries))

    def plan(self, rows: tuple[QueryIndex, ...]) -> PhysicalPlan:
        """These rows' plan. Raises InputError when the table no longer has them, PlanError."""
        batch = _picked(self._read(), frozenset(rows))
        if len(batch.queries) + len(batch.rejected) != len(rows):
            raise InputError("the table no longer has these rows", fix="restore it as it was")
        plan = self._planner().plan(batch, first_node=self._numbers.next)
        self._numbers.take(plan)
        return plan

    def recall(self, key: ContentKey) -> NodeOutcome | None:
        record = self._journal.node(key)
        return None if record is None else record.outcome

    def in_doubt(self, key: ContentKey) -> bool:
        return self._journal.in_doubt(key)

    def close(self) -> None:
        """Idempotent."""
        if self._view is not None:
            self._view.close()
            self._view = None

    @property
    def _journal(self) -> RunView:
        if self._view is None:
            self._view = RunView(self._store.directory)
        return self._view


def _asked_for(row: QueryResult, queries: tuple[str, ...]) -> bool:
    if queries:
        return row.id in queries or f"#{row.index}" in queries
    return row.error is None or row.error.code not in NOT_AGAIN


def _picked(batches: Iterator[Batch], rows: frozenset[QueryIndex]) -> Batch:
    """One batch of the wanted rows; reads no further than the last of them."""
    queries, rejected = [], []
    for batch in batches:
        queries += [query for query in batch.queries if query.index in rows]
        rejected += [row for row in batch.rejected if row.index in rows]
        if len(queries) + len(rejected) == len(rows):
            break
    return Batch(queries=tuple(queries), rejected=tuple(rejected))
