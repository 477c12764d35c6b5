"""What the run itself has to say, as lines of a log: its events of note, read from its journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from engine.errors import JournalError
from engine.ir import event as ev
from engine.ir.result import UPSTREAM_FAILED, RunReport
from engine.journal.view import RunView
from haloctl.tui.cells import one_line
from haloctl.tui.run_logs import LINE_CELLS
from haloctl.tui.scales import duration

BATCHES_AT_ONCE: Final = 500
"""Commits read in one piece: some hundredths of a second."""


class RunStory:
    """Reads the events of a run's journal in pieces, from the first one on, and goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        """`path` is the journal's."""
        self.path = path
        self.behind = False
        """Whether there was more than the last piece."""
        self._place = 0
        self._fault = ""
        self._planned: int | None = 0
        """Rows planned in this attempt; None where a part of the journal that may tell of some is lost."""

    def read(self) -> tuple[str, ...]:
        """Lines of the next piece; none where nothing of note came. What cannot be read is told in a line."""
        self.behind = False
        if not self.path.is_file():
            return ()
        told: list[str] = []
        last = 0
        try:
            with RunView(self.path.parent) as view:
                last = view.last_event_place()
                for place, batch in islice(view.event_batches(self._place), BATCHES_AT_ONCE):
                    told += self._lines(batch)
                    self._place, self._fault = place, ""
        except JournalError as error:
            told += self._faults(error.message, last)
        self.behind = self._place < last
        return tuple(told)

    def _lines(self, batch: Iterable[ev.Event]) -> Iterator[str]:
        for event in batch:
            self._count(event)
            words = event_words(event, self._planned)
            if words:
                yield _line(f"{event.at:.2f} s", words)

    def _count(self, event: ev.Event) -> None:
        match event:
            case ev.RunStarted():
                self._planned = 0
            case ev.WindowPlanned(queries=queries) if self._planned is not None:
                self._planned += queries
            case ev.RowsRequeued(rows=rows) if self._planned is not None:
                self._planned -= len(rows)  # the window that follows counts them again
            case _:
                pass

    def _faults(self, fault: str, last: int) -> Iterator[str]:
        """What is damaged is passed over, a commit a reading, and told once."""
        if fault != self._fault:
            yield _line("", f"error: a part of the journal cannot be read: {fault}")
        self._fault, self._planned = fault, None
        self._place = min(self._place + 1, max(self._place, last))


def _line(at: str, words: str) -> str:
    return f"{at:<9} {one_line(words, LINE_CELLS)}"


def event_words(event: ev.Event, planned: int | None = None) -> str:
    """An event of note in words; empty for one that is told elsewhere, row by row or number by number.

    `planned` is how many rows this attempt has planned, if that is known.
    """
    match event:
        case ev.WorkerReady() | ev.WorkerLost() | ev.ModelLoading() | ev.ModelLoaded() | ev.ModelUnloaded():
            return _worker_words(event)
        case ev.NodeFailed():
            return _failure_words(event)
        case ev.WindowPlanned(queries=queries, logical_nodes=asked, nodes=nodes, estimate_s=estimate_s):
            saved = f"{asked:,} calls as {nodes:,}" if nodes < asked else f"{nodes:,} calls"
            return f"planned {queries:,} rows: {saved}, about {duration(estimate_s)} ({event.planner})"
        case ev.EpochStarted(index=index):
            return f"epoch {index} begins"
        case ev.RowsRequeued(rows=rows):
            return f"{len(rows):,} failed rows are run again"
        case ev.LimitChanged(limit=limit, value=value):
            return f"limit {limit} is now {'off' if value is None else f'{value:g}'}"
        case ev.RunFinished(report=report):
            return _over_words(report, planned)
        case _:
            return _run_words(event)


def _run_words(event: ev.Event) -> str:
    match event:
        case ev.RunStarted(run=run, resumed=resumed):
            return f"run {run} {'is resumed' if resumed else 'begins'}"
        case ev.RunPaused():
            return "paused: nothing is sent out until the run goes on"
        case ev.RunContinued():
            return "goes on"
        case ev.RunDraining(at_once=at_once):
            return "stops at once" if at_once else "stops: what runs may finish"
        case _:
            return ""


def _over_words(report: RunReport, planned: int | None) -> str:
    """How the run ended, and what a run that was stopped or aborted left undone of what it had planned."""
    rows = report.rows
    told = f"{rows.ok:,} rows ok, {rows.failed:,} failed, {rows.quarantined:,} quarantined"
    if report.status in ("ok", "failed_rows"):
        return f"over: {told}"
    if planned is None:
        return f"{report.status}: {told}"
    left = max(0, planned - rows.ok - rows.failed - rows.quarantined)
    return f"{report.status}: {told}; of those planned {left:,} left"


def _worker_words(
    event: ev.WorkerReady | ev.WorkerLost | ev.ModelLoading | ev.ModelLoaded | ev.ModelUnloaded,
) -> str:
    match event:
        case ev.WorkerReady(pid=pid, backend=backend):
            return f"{event.worker} is ready: process {pid}, {backend}"
        case ev.WorkerLost(reason=reason, in_flight=in_flight):
            return f"warning: {event.worker} is gone: {reason}; {in_flight:,} calls were in flight"
        case ev.ModelLoading(model=model):
            return f"{event.worker} loads {model}"
        case ev.ModelLoaded(model=model, load_s=load_s):
            return f"{event.worker} has loaded {model} in {duration(load_s)}"
        case ev.ModelUnloaded(model=model):
            return f"{event.worker} lets go of {model}"


def _failure_words(event: ev.NodeFailed) -> str:
    if event.recalled or event.failure.code == UPSTREAM_FAILED:
        return ""  # told when it happened; told of the call that was the cause
    told = f"{event.operator}, node {event.node}: {event.failure.code}: {event.failure.message}"
    return f"error: {told}" if event.final else f"warning: tried again: {told}"
