"""What the run itself has to say, as lines of a log: its events of note, read from its journal."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from engine.errors import JournalError
from engine.ir import event as ev
from engine.ir.result import UPSTREAM_FAILED
from engine.journal.view import RunView
from haloctl.tui.cells import one_line
from haloctl.tui.run_logs import LINE_CELLS
from haloctl.tui.scales import duration

BATCHES_AT_FIRST: Final = 2000
"""Commits of events that are gone back when the reading begins, however long the run is."""
BATCHES_AT_ONCE: Final = 500
"""Commits read in one piece, so that no piece holds up the screen."""


class RunStory:
    """Reads the events of a run's journal from where it stopped before, as `LogTail` reads a file."""

    def __init__(self, path: Path) -> None:
        """`path` is the journal's."""
        self.path = path
        self._place: int | None = None

    def read(self) -> tuple[str, ...]:
        """Lines of the next piece; none where nothing of note came, or the journal cannot be read."""
        try:
            with RunView(self.path.parent) as view:
                if self._place is None:
                    self._place = max(0, view.last_event_place() - BATCHES_AT_FIRST)
                batches = tuple(islice(view.event_batches(self._place), BATCHES_AT_ONCE))
        except JournalError:
            return ()
        if batches:
            self._place = batches[-1][0]
        told = ((event.at, event_words(event)) for _place, batch in batches for event in batch)
        return tuple(f"{f'{at:.2f} s':<9} {one_line(words, LINE_CELLS)}" for at, words in told if words)


def event_words(event: ev.Event) -> str:
    """An event of note in words; empty for one that is told elsewhere, row by row or number by number."""
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
        case ev.PrefixMoved(source=source, target=target, tokens=tokens):
            return f"prefix of {tokens:,} tokens moved from {source} to {target}"
        case ev.RowsRequeued(rows=rows):
            return f"{len(rows):,} failed rows are run again"
        case ev.LimitChanged(limit=limit, value=value):
            return f"limit {limit} is now {'off' if value is None else f'{value:g}'}"
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
        case ev.RunFinished(report=report):
            rows = report.rows
            return f"over: {rows.ok:,} rows ok, {rows.failed:,} failed, {rows.quarantined:,} quarantined"
        case _:
            return ""


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
