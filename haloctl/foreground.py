"""A run on the command line from request to exit code: progress, signals, report, and how to go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from engine.errors import ConfigError, HaloError
from engine.ir.event import Event, RunStarted
from engine.ir.result import RunReport
from engine.journal.records import RunMeta
from engine.journal.store import RunStore
from engine.live.fold import LiveState
from engine.processor.run import Job
from haloctl import exit_codes, render
from haloctl.compose import OpenRun, Prepared, open_run, prepare
from haloctl.interruption import interruption
from haloctl.progress import Display, Mode, open_display
from haloctl.request import BatchRequest
from haloctl.run_text import report_lines
from haloctl.running import run_in_foreground
from haloctl.settings import Settings


@dataclass(frozen=True)
class Finished:
    """What a run on the command line came to."""

    code: int
    report: RunReport
    directory: Path
    outputs: tuple[str, ...]
    """Names of the workflows' outputs, in order."""


Begun = Callable[[Path], None]
"""Hears the run's folder once it has begun: it can be attached to, and signals drain it."""


def _unheard(_directory: Path) -> None:
    """Nobody wants to know that the run has begun."""


def carry_out(
    settings: Settings, request: BatchRequest, *, progress: Mode, as_json: bool, begun: Begun = _unheard
) -> int:
    """Run a new batch, print its summary, and return the exit code."""
    finished = run_request(settings, request, progress=progress, begun=begun)
    _summarise(finished, request, as_json)
    return finished.code


def run_request(
    settings: Settings,
    request: BatchRequest,
    *,
    progress: Mode,
    resume: RunStore | None = None,
    retry_failed: bool = False,
    begun: Begun = _unheard,
) -> Finished:
    """Run a batch, or go on with one. Raises what `open_run` raises, and the run's own error."""
    with interruption(_meaning(resume)):
        prepared = prepare(settings, request, render.note)
    return run_prepared(prepared, progress=progress, resume=resume, retry_failed=retry_failed, begun=begun)


def run_prepared(
    prepared: Prepared,
    *,
    progress: Mode,
    resume: RunStore | None = None,
    retry_failed: bool = False,
    begun: Begun = _unheard,
) -> Finished:
    """The same for a request that was prepared before."""
    window = prepared.request.options.window_queries
    live = LiveState(window_queries=window)
    display = open_display(live, progress)
    try:
        with ExitStack() as stack:
            with interruption(_meaning(resume)):
                run = open_run(prepared, render.note, display.on_event, resume, retry_failed=retry_failed)
                opened = stack.enter_context(run)
            with interruption(_meaning(opened.store)):
                return _run(opened, live, display, prepared.request.target.columns, begun)
    finally:
        display.close()


def _meaning(store: RunStore | None) -> str:
    """What an interrupt means before signals are watched, or after."""
    return "no run was begun" if store is None else f"go on with: haloctl resume {store.directory.name}"


def go_on(
    settings: Settings,
    directory: Path,
    *,
    progress: Mode,
    as_json: bool,
    retry_failed: bool,
    begun: Begun = _unheard,
) -> int:
    """Resume the run in `directory`. Raises RunLocked, JournalError, and what `run_request` raises."""
    store = RunStore.open(directory)
    try:
        request = request_of(store.meta())
        finished = run_request(
            settings, request, progress=progress, resume=store, retry_failed=retry_failed, begun=begun
        )
    except BaseException:
        store.close()
        raise
    _summarise(finished, request, as_json)
    return finished.code


def request_of(meta: RunMeta) -> BatchRequest:
    """The request a run was begun with. Raises ConfigError when it was begun by something else."""
    text = meta.extra.get("request")
    if text is None:
        raise ConfigError(
            f"run {meta.run} was not begun by `haloctl batch`", fix="start the batch as a new run"
        )
    return msgspec.json.decode(text, type=BatchRequest)


def _run(
    opened: OpenRun, live: LiveState, display: Display, outputs: tuple[str, ...], begun: Begun
) -> Finished:
    directory = opened.store.directory
    job = _announced(opened.job, partial(begun, directory))
    outcome = run_in_foreground(job, on_tick=display.on_tick, directory=directory, live=live)
    display.close()
    if outcome.error is not None:
        _tell_how_to_resume(directory, outcome.error)
        with suppress(HaloError):  # a full disk fails again here; the first error is the one to tell
            opened.finish(None, "aborted", broke_off=outcome.error)
        raise outcome.error
    report = opened.finish(outcome.report, signalled=outcome.signalled)
    code = exit_codes.of_report(report, signalled=outcome.signalled)
    if report.status == "stopped":
        _tell_how_to_resume(directory)
    return Finished(code, report, directory, outputs)


def _announced(job: Job, begun: Callable[[], None]) -> Job:
    """The job, with a word when it begins."""

    def on_event(event: Event) -> None:
        if isinstance(event, RunStarted):
            begun()
        job.on_event(event)

    return replace(job, on_event=on_event)


def _tell_how_to_resume(directory: Path, error: HaloError | None = None) -> None:
    words = "stopped" if error is None else f"broke off ({error.code})"
    render.note(f"the run {words}; nothing finished is lost. Go on with:\n  haloctl resume {directory.name}")


def _summarise(finished: Finished, request: BatchRequest, as_json: bool) -> None:
    if as_json and request.target.path != "-":
        render.result_json(finished.report)
        return
    if as_json:
        render.say(msgspec.json.encode(finished.report).decode())
        return
    render.say("\n".join(report_lines(finished.report)))
    place = "on stdout" if request.target.path == "-" else f"in {request.target.path}"
    render.note(f"rows {place}, run {finished.directory}")
