"""Carries out a composed job in the foreground: one trio run, and what signals do to it."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import trio

from engine.errors import HaloError
from engine.ir.result import RunReport
from engine.live.fold import LiveState
from engine.processor.run import Job, process
from haloctl.controlled import process_controlled
from haloctl.render import note

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Outcome:
    """What came of a run in the foreground: its report, or None when it was cut short; and the signal."""

    report: RunReport | None = None
    signalled: int | None = None
    error: HaloError | None = None


Tick: TypeAlias = Callable[[float], None]
Run: TypeAlias = Callable[[Job], Awaitable[RunReport]]
TICK_S = 0.5


def run_in_foreground(
    job: Job,
    *,
    on_tick: Tick,
    say: Callable[[str], None] = note,
    directory: Path | None = None,
    live: LiveState | None = None,
) -> Outcome:
    """Run `job` to its end. The first SIGINT or SIGTERM drains; the second, or the end of the grace, stops.

    `on_tick` hears every half second how long the run has taken. Errors of the run are in the outcome. Off
    the main thread signals are left alone. With the run's `directory` clients may attach to it, and events
    are folded into `live`.
    """
    watched = threading.current_thread() is threading.main_thread()
    run: Run = process
    if directory is not None:
        run = partial(process_controlled, directory=directory, say=say, live=live)
    return trio.run(_run_watched if watched else _run_ticking, job, on_tick, say, run)


async def _run_watched(job: Job, on_tick: Tick, say: Callable[[str], None], run: Run) -> Outcome:
    with trio.open_signal_receiver(*SIGNALS) as signals:
        return await _run_ticking(job, on_tick, say, run, signals)


async def _run_ticking(
    job: Job,
    on_tick: Tick,
    say: Callable[[str], None],
    run: Run,
    signals: AsyncIterator[int] | None = None,
) -> Outcome:
    outcome = Outcome()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tick, on_tick)
        if signals is not None:
            nursery.start_soon(_watch, signals, job, outcome, nursery.cancel_scope, say)
        try:
            outcome.report = await run(job)
        except HaloError as error:
            outcome.error = error
        nursery.cancel_scope.cancel()
    return outcome


async def _tick(on_tick: Tick) -> None:
    started = trio.current_time()
    while True:
        await trio.sleep(TICK_S)
        on_tick(trio.current_time() - started)


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
