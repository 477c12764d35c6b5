"""Carries out a job with a control channel beside it, so that others may watch it and order it about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import trio

from engine.errors import HaloError
from engine.ir.event import Event, LimitChanged
from engine.ir.result import RowStatus, RunReport
from engine.journal.view import RunView
from engine.live.fold import LiveState
from engine.processor.control import Control
from engine.processor.run import Job, process
from haloctl import __version__
from haloctl.kept_limits import KeptLimits


async def process_controlled(
    job: Job, directory: Path, say: Callable[[str], None], live: LiveState | None = None
) -> RunReport:
    """`process`, listening on the run's socket as long as that lasts; `say` hears if it cannot.

    Events are folded into `live` before `job.on_event` hears of them. Raises what `process` raises. Clients
    that do not read delay the end by a second at most. Limits that were ordered hold for later attempts.
    """
    kept = KeptLimits(directory, {lane.worker: lane.slots for lane in job.lanes}, say)
    if job.resumed and kept.values:
        say(f"limits ordered before hold: {kept.describe()}")
    live = LiveState(window_queries=job.options.window_queries) if live is None else live
    if job.resumed:
        live.take_over(await trio.to_thread.run_sync(_finished, directory))
    control = Control(
        job.run,
        directory,
        product=__version__,
        live=live,
        warn=say,
    )
    failure: HaloError | None = None
    report: RunReport | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve)
        try:
            report = await process(
                replace(job, control=control, limits=kept.values, on_event=partial(_tell, kept, job.on_event))
            )
        except HaloError as error:
            failure = error
        await control.finish()
    if report is None:
        assert failure is not None
        raise failure
    return report


def _tell(kept: KeptLimits, on_event: Callable[[Event], None], event: Event) -> None:
    if isinstance(event, LimitChanged):
        kept.on_event(event)
    on_event(event)


def _finished(directory: Path) -> list[tuple[int, RowStatus]]:
    """Rows that earlier attempts finished. Raises JournalError."""
    with RunView(directory) as view:
        return [(index, cast(RowStatus, status)) for index, status in view.query_statuses()]
