"""The journal actor: settled nodes to the run store, finished rows to the output, in that order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from engine.errors import JournalError
from engine.ir.event import Event
from engine.ir.ids import ContentKey, OperatorId, QueryIndex
from engine.ir.physical import PhysicalPlan
from engine.ir.result import Completed, NodeRecord, QueryResult
from engine.journal.records import CrashRecord
from engine.processor.channels import Receiver
from engine.processor.router import Settled

BURSTS = 16
"""Bursts of the router written in one go when the disk is behind."""


class JournalPort(Protocol):
    """What a run writes to. All methods block and run in a thread of their own."""

    def commit(self, records: list[NodeRecord], events: list[Event]) -> None:
        """Queue for the next group commit. Raises JournalError once the store has failed."""
        ...

    def crashed(self, records: list[CrashRecord]) -> None:
        """Remember which nodes were in flight when workers crashed."""
        ...

    def emit(self, rows: list[QueryResult]) -> None:
        """Write rows after everything committed before is durable."""
        ...

    def intend(self, key: ContentKey, operator: OperatorId) -> None:
        """Returns once the intent, and all commits before it, are durable."""
        ...

    def plan(self, plan: PhysicalPlan) -> None:
        """Keep a window's plan for `show` and replay."""
        ...

    def remember(self, key: ContentKey, completed: Completed) -> None:
        """Put a success into the cross-run cache, if there is one."""
        ...

    def take_back(self, rows: tuple[QueryIndex, ...]) -> None:
        """Forget finished rows that failed, and their failures; returns when that is durable.

        The output no longer holds them; rows that stood behind them are written again.
        """
        ...

    def finish(self) -> None:
        """Everything given is durable and the output complete as far as it goes."""
        ...


async def journal_actor(
    port: JournalPort, inbox: Receiver[Settled], on_failure: Callable[[JournalError], None]
) -> None:
    """Write bursts until the inbox closes. A journal error is fatal for the run and told once."""
    while True:
        try:
            bursts = await inbox.receive_many(BURSTS)
            await trio.to_thread.run_sync(_write, port, bursts)
            for burst in bursts:
                if burst.reached is not None:
                    burst.reached.set()
        except trio.EndOfChannel:
            return
        except JournalError as error:
            on_failure(error)
            return


def _write(port: JournalPort, bursts: list[Settled]) -> None:
    records = [entry for burst in bursts for entry in burst.records]
    rows = [row for burst in bursts for row in burst.rows]
    crashes = [crash for burst in bursts for crash in burst.crashes]
    port.commit([record for record, _key in records], [e for burst in bursts for e in burst.events])
    if crashes:
        port.crashed(crashes)
    if rows:
        port.emit(rows)
    for record, key in records:
        if key is not None and isinstance(record.outcome, Completed):
            port.remember(key, record.outcome)
    for burst in bursts:
        if burst.take_back:
            port.take_back(burst.take_back)
