"""The feeder actor: plans windows when the run asks for one, and failed rows anew when it takes them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import trio

from engine.errors import HaloError, JournalError
from engine.ir.ids import ContentKey, QueryIndex
from engine.ir.physical import PhysicalPlan
from engine.ir.result import NodeOutcome, RowStatus
from engine.processor.channels import Receiver, Sender
from engine.processor.journal_actor import JournalPort
from engine.processor.protocol import Extended, InputExhausted, NeedWindow, Requeued, Stimulus, TakeBack
from engine.processor.router import Settled
from engine.wire.orders import Refused


class SecondChance(Protocol):
    """What it takes to run failed rows again. Methods block; all but the look-ups run in a thread."""

    def failed(self, queries: tuple[str, ...]) -> tuple[tuple[QueryIndex, RowStatus], ...]:
        """Failed rows by these names; without names those that may succeed now. Raises HaloError."""
        ...

    def plan(self, rows: tuple[QueryIndex, ...]) -> PhysicalPlan:
        """A plan of these rows, its nodes numbered after all before. Raises HaloError."""
        ...

    def recall(self, key: ContentKey) -> NodeOutcome | None:
        """What the journal holds of a node by now, failures that were taken back left out."""
        ...

    def in_doubt(self, key: ContentKey) -> bool:
        """Whether a write was begun, by now, and its outcome is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """What the feeder takes from, and where it tells of plans before the run hears of them."""

    windows: Iterator[PhysicalPlan]
    extended: Callable[[PhysicalPlan], Extended]
    again: SecondChance | None
    journal: JournalPort
    planned: Callable[[PhysicalPlan], None]


async def feed(
    source: Feed,
    asked: Receiver[NeedWindow | TakeBack],
    stimuli: Sender[Stimulus],
    settled: Sender[Settled],
) -> None:
    """Serve requests one at a time, in threads. Raises what planning a window raises."""
    with stimuli:
        async for request in asked:
            if isinstance(request, TakeBack):
                await stimuli.send(await _take_back(source, request, settled))
                continue
            plan = await trio.to_thread.run_sync(next, source.windows, None)
            if plan is None:
                await stimuli.send(InputExhausted())
                continue
            await _keep(source, plan)
            await stimuli.send(source.extended(plan))


async def _keep(source: Feed, plan: PhysicalPlan) -> None:
    """Tell of a plan before the run hears of it; for a large one that takes a while."""

    def keep() -> None:
        source.planned(plan)
        source.journal.plan(plan)

    await trio.to_thread.run_sync(keep)


async def _take_back(source: Feed, request: TakeBack, settled: Sender[Settled]) -> Requeued:
    """Take rows back once they are planned, so that a refusal leaves everything as it was."""
    again = source.again
    if again is None:
        return _refused(request, "cannot_requeue", "this run cannot read its rows again", "resume it")
    await _through(settled, Settled())
    try:
        found = await trio.to_thread.run_sync(again.failed, request.queries)
        if not found and request.queries:
            words = f"no failed row is called {' or '.join(map(repr, request.queries))}"
            return _refused(request, "nothing_failed", words, "name rows by id, or by index as #N")
        if not found:
            return Requeued(request.ticket, (), 0, None)
        rows = tuple(row for row, _status in found)
        plan = await trio.to_thread.run_sync(again.plan, rows)
    except JournalError:
        raise
    except HaloError as error:
        return _refused(request, "cannot_requeue", error.message, error.fix or "resume the run")
    await _through(settled, Settled(take_back=rows))
    await _keep(source, plan)
    quarantined = sum(status == "quarantined" for _row, status in found)
    return Requeued(request.ticket, rows, quarantined, Extended(plan, again.recall, again.in_doubt))


async def _through(settled: Sender[Settled], burst: Settled) -> None:
    """Wait until the journal actor has carried out a burst, and so all before it."""
    burst.reached = trio.Event()
    await settled.send(burst)
    await burst.reached.wait()


def _refused(request: TakeBack, code: str, words: str, fix: str) -> Requeued:
    return Requeued(request.ticket, (), 0, None, Refused(code=code, words=words, fix=fix))
