"""Carries out a composed job in the foreground: one trio run, and what signals do to it."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import trio

from engine.errors import HaloError
from engine.ir.result import RunReport
from engine.processor.run import Job, process
from haloctl.render import note

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Outcome:
    """What came of a run in the foreground: its report, or None when it was cut short; and the signal."""

    report: RunReport | None = None
    signalled: int | None = None
    error: HaloError | None = None


def run_in_foreground(job: Job, *, say: Callable[[str], None] = note) -> Outcome:
    """Run `job` to its end. The first SIGINT or SIGTERM drains; the second, or the end of the grace, stops.

    Errors of the run are in the outcome. Off the main thread signals are left alone.
    """
    if threading.current_thread() is threading.main_thread():
        return trio.run(_run_watched, job, say)
    outcome = Outcome()
    trio.run(_run, job, outcome)
    return outcome


async def _run_watched(job: Job, say: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, signals, job, outcome, nursery.cancel_scope, say)
            await _run(job, outcome)
            nursery.cancel_scope.cancel()
    return outcome


async def _run(job: Job, outcome: Outcome) -> None:
    try:
        outcome.report = await process(job)
    except HaloError as error:
        outcome.error = error


async def _watch(
    signals: AsyncIterator[int],
    job: Job,
    outcome: Outcome,
    scope: trio.CancelScope,
    say: Callable[[str], None],
) -> None:
    async for number in signals:
        if outcome.signalled is not None:
            break
        outcome.signalled = number
        grace_s = job.options.grace_s
        name = signal.Signals(number).name
        say(f"{name}: letting running work finish, {grace_s:g} s at most; once more stops now")
        scope.deadline = trio.current_time() + grace_s
        job.drain.set()
    scope.cancel()
