"""Follows a live run from another terminal: its progress in lines or JSON, then its report and exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO, TypeAlias

import msgspec

from engine.ir.result import RunReport
from engine.journal.view import RunView
from engine.live.coalesce import apply
from engine.live.state import LiveSnapshot
from engine.live.totals import tokens_per_s
from engine.wire.control import Batch, Snapshot
from haloctl.client import Attached, wait_let_go
from haloctl.exit_codes import STOPPED, of_report
from haloctl.progress import Glance, snapshot, summary_line

FollowMode: TypeAlias = Literal["plain", "json", "none"]
_LINE_EVERY_S = 5.0
_JSON_EVERY_S = 1.0


@dataclass(frozen=True)
class Aftermath:
    """How a run stands once nobody holds it: its exit code and report, None when it was killed."""

    code: int
    report: RunReport | None


def follow(directory: Path, mode: FollowMode, stream: TextIO | None = None) -> Aftermath:
    """Show the run's progress to its end. Raises what `Attached` raises.

    A run that somebody resumes as soon as it ends is followed further.
    """
    shown = _Shown(mode, sys.stderr if stream is None else stream)
    while True:
        with Attached(directory, watch=True, client="haloctl attach") as run:
            for state in states(run):
                shown.hear(state)
        wait_let_go(directory)
        after = aftermath(directory)
        if after is not None:
            return after


def states(run: Attached) -> Iterator[LiveSnapshot]:
    """The live state after each step the run tells of."""
    state = LiveSnapshot()
    for message in run.messages():
        match message:
            case Snapshot():
                state = message.state
            case Batch():
                state = apply(state, message.changes)
            case _:
                continue
        yield state


def aftermath(directory: Path) -> Aftermath | None:
    """How the run stands; None while a process holds it. Raises JournalError."""
    with RunView(directory) as view:
        status = view.status()
    if status.status == "running":
        return None
    if status.status == "interrupted" or status.report is None:
        return Aftermath(STOPPED if status.exit_code is None else status.exit_code, None)
    code = of_report(status.report) if status.exit_code is None else status.exit_code
    return Aftermath(code, status.report)


class _Shown:
    """Shows a state when it is due: lines as a run's own terminal does, JSON once a second."""

    def __init__(self, mode: FollowMode, stream: TextIO) -> None:
        self._mode = mode
        self._stream = stream
        self._tenth = 0
        self._at: float | None = None
        self._doing = ""

    def hear(self, state: LiveSnapshot) -> None:
        if self._mode == "none" or not self._due(state):
            return
        self._at = state.at
        glance = Glance(state.at, state.totals, tokens_per_s(state.series, state.at))
        plain = self._mode == "plain"
        line = summary_line(glance) if plain else msgspec.json.encode(snapshot(glance)).decode()
        self._stream.write(line + "\n")
        self._stream.flush()

    def _due(self, state: LiveSnapshot) -> bool:
        totals = state.totals
        tenth = totals.rows * 10 // totals.rows_total if totals.rows_total else 0
        changed = tenth > self._tenth or totals.doing != self._doing
        self._tenth, self._doing = tenth, totals.doing
        late_s = _LINE_EVERY_S if self._mode == "plain" else _JSON_EVERY_S
        late = self._at is None or state.at - self._at >= late_s
        return late or totals.finished or (changed and self._mode == "plain")
