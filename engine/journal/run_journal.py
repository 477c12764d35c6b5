"""What a running batch writes to: run store, output and cache behind one door.

Implements `engine.processor.journal_actor.JournalPort`; every method blocks and is called from one thread
at a time, `intend` excepted, which tool calls use side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from engine.ir.event import Event
from engine.ir.ids import ContentKey, OperatorId, QueryIndex
from engine.ir.physical import PhysicalPlan
from engine.ir.result import Completed, NodeRecord, QueryResult
from engine.journal.output import ResultWriter
from engine.journal.records import CrashRecord, Intent, PlanRecord
from engine.journal.store import RunStore


class RunJournal:
    """One run's store and output, and the cache successes go to (None: no cache)."""

    def __init__(
        self,
        store: RunStore,
        output: ResultWriter,
        remember: Callable[[ContentKey, Completed], None] | None = None,
    ) -> None:
        self._store = store
        self._output = output
        self._remember = remember
        self._windows = count()

    def commit(self, records: list[NodeRecord], events: list[Event]) -> None:
        for record in records:
            self._store.append(record)
        if events:
            self._store.append_events(tuple(events))

    def crashed(self, records: list[CrashRecord]) -> None:
        for record in records:
            self._store.append(record)

    def emit(self, rows: list[QueryResult]) -> None:
        for row in rows:
            self._output.submit(row)

    def intend(self, key: ContentKey, operator: OperatorId) -> None:
        self._store.wait_durable(self._store.append(Intent(key=key, operator=operator)))

    def plan(self, plan: PhysicalPlan) -> None:
        self._store.append(PlanRecord(window=next(self._windows), plan=plan))

    def remember(self, key: ContentKey, completed: Completed) -> None:
        if self._remember is not None:
            self._remember(key, completed)

    def take_back(self, rows: tuple[QueryIndex, ...]) -> None:
        self._output.take_back(rows)

    def finish(self) -> None:
        self._store.flush()
