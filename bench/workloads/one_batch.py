"""One batch through the ordinary engine, in the foreground and with nobody watching."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.ir.event import Event
from engine.ir.ids import Record
from engine.ir.result import RunReport
from haloctl.compose import open_run, prepare
from haloctl.request import BatchRequest
from haloctl.running import run_in_foreground
from haloctl.settings import Settings


class Ran(Record, frozen=True, kw_only=True):
    """A batch that is over. planning_s: until the first window's plan stood; running_s: from starting workers
    to the last row.
    """

    report: RunReport
    planning_s: float
    running_s: float


def run_batch(settings: Settings, request: BatchRequest, hear: Callable[[Event], None]) -> Ran:
    """Run it to its end. Raises HaloError, and KeyboardInterrupt after Ctrl-C."""
    prepared = prepare(settings, request, silent)
    began = time.perf_counter()
    with open_run(prepared, silent, hear) as opened:
        planned = time.perf_counter()
        outcome = run_in_foreground(opened.job, on_tick=_no_display, say=silent)
        ended = time.perf_counter()
        if outcome.error is not None:
            raise outcome.error
        if outcome.signalled is not None:
            raise KeyboardInterrupt
        report = opened.finish(outcome.report)
    return Ran(report=report, planning_s=planned - began, running_s=ended - planned)


def write_table(path: Path, table: Sequence[Mapping[str, object]]) -> Path:
    """The rows as CSV, with the first one's columns."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, table[0])
        writer.writeheader()
        writer.writerows(table)
    return path


def silent(_text: str) -> None:
    """A benchmark says what it measured, nothing else."""


def _no_display(_seconds: float) -> None:
    """Nobody watches."""
