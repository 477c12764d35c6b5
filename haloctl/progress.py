"""Progress of a run on stderr: a bar on a terminal, lines elsewhere, or JSON lines.

Displays count nothing themselves: they read the run's live state, into which its control channel folds every
event before a display hears of it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Protocol, TextIO

import msgspec

from engine.ir.event import Event, QueryFinished, RunFinished, WorkerLost
from engine.live.fold import LiveState
from engine.live.totals import Totals
from haloctl.progress_mode import Mode as Mode
from haloctl.render import console, duration
from haloctl.sanitise import clean_line

_LINE_EVERY_S = 5.0
_BAR_EVERY_S = 0.1
_JSON_EVERY_S = 1.0


@dataclass(frozen=True)
class Glance:
    """How a run stands at a glance, `at` seconds after its attempt began."""

    at: float
    totals: Totals
    tokens_per_s: float

    @property
    def eta_s(self) -> float | None:
        """Seconds to go, as far as can be told."""
        return self.totals.eta_s(self.at)


class Display(Protocol):
    """Hears of a run's events once they are folded, and of the time; `close` restores the terminal."""

    def on_event(self, event: Event) -> None: ...

    def on_tick(self, at: float) -> None: ...

    def close(self) -> None: ...


def open_display(live: LiveState, mode: Mode = "auto", *, stream: TextIO | None = None) -> Display:
    """The display of `live`; auto is a bar on a terminal that can show one, and lines elsewhere."""
    stream = sys.stderr if stream is None else stream
    if mode == "auto":
        capable = stream.isatty() and os.environ.get("TERM", "") != "dumb"
        mode = "rich" if capable else "plain"
    match mode:
        case "rich":
            return Bar(live)
        case "plain":
            return Lines(live, stream)
        case "json":
            return JsonLines(live, stream)
        case _:
            return Silent()


def summary_line(glance: Glance) -> str:
    """One line for people: rows, failures, speed, reuse and what is left."""
    totals, eta = glance.totals, glance.eta_s
    known = f"{totals.rows_total}" + ("" if totals.rows_known else "+")
    parts = [f"{totals.rows}/{known} rows" if totals.rows_total else totals.doing]
    if totals.rows_failed:
        parts.append(f"{totals.rows_failed} failed")
    if totals.retried:
        parts.append(f"{totals.retried} retried")
    if totals.workers_lost:
        parts.append(f"{totals.workers_lost} workers lost")
    if totals.decoded_tokens:
        parts.append(f"{glance.tokens_per_s:.0f} tok/s")
        parts.append(f"reuse {totals.reuse:.0%}")
    if totals.doing not in ("starting", "planning", "running", "finished"):
        parts.append(totals.doing)
    parts.append(f"ETA {duration(round(eta, 1))}" if eta is not None else duration(glance.at))
    return clean_line(" · ".join(parts))


def snapshot(glance: Glance) -> dict[str, object]:
    """The same as JSON data; `eta_s` is null when unknown."""
    totals, eta = glance.totals, glance.eta_s
    return {
        "run": totals.run,
        "at_s": round(glance.at, 3),
        "doing": totals.doing,
        "rows": totals.rows,
        "total": totals.rows_total,
        "failed": totals.rows_failed,
        "retried": totals.retried,
        "workers_lost": totals.workers_lost,
        "decoded_tokens": totals.decoded_tokens,
        "tokens_per_s": round(glance.tokens_per_s, 1),
        "reuse": round(totals.reuse, 4),
        "eta_s": None if eta is None else round(eta, 1),
    }


class _Watched:
    """A live state as a display sees it, and its time: that of the last event, or of a later tick."""

    def __init__(self, live: LiveState) -> None:
        self._live = live
        self._ticked_s = 0.0

    @property
    def at(self) -> float:
        """Seconds since the attempt began."""
        return max(self._live.tally.at, self._ticked_s)

    @property
    def tenths(self) -> int:
        """Tenths of the rows known so far that are finished."""
        return self._live.tally.tenths

    def tick(self, at: float) -> None:
        """So much time has passed."""
        self._ticked_s = at

    def glance(self) -> Glance:
        """How it stands."""
        tally, at = self._live.tally, self.at
        return Glance(at, tally.totals, tally.tokens_per_s_at(at))


class Silent:
    """Shows nothing."""

    def on_event(self, event: Event) -> None:
        """Nothing to show."""

    def on_tick(self, at: float) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to restore."""


class Lines:
    """A line whenever a tenth of the rows came in, at the latest after five seconds, and at the end."""

    def __init__(self, live: LiveState, stream: TextIO) -> None:
        self._watched = _Watched(live)
        self._stream = stream
        self._tenth = 0
        self._shown_s = 0.0

    def on_event(self, event: Event) -> None:
        kind = type(event)  # asked of every event of a run
        tenth = self._watched.tenths if kind is QueryFinished else 0
        if tenth > self._tenth or kind is RunFinished or kind is WorkerLost:
            self._tenth = max(tenth, self._tenth)
            self._show()
        elif event.at - self._shown_s >= _LINE_EVERY_S:
            self._show()

    def on_tick(self, at: float) -> None:
        self._watched.tick(at)
        if self._watched.at - self._shown_s >= _LINE_EVERY_S:
            self._show()

    def _show(self) -> None:
        self._shown_s = self._watched.at
        self._stream.write(summary_line(self._watched.glance()) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to restore."""


class JsonLines:
    """One JSON object a second and one at the end, for programs that watch."""

    def __init__(self, live: LiveState, stream: TextIO) -> None:
        self._watched = _Watched(live)
        self._stream = stream
        self._shown_s = -_JSON_EVERY_S

    def on_event(self, event: Event) -> None:
        if event.at - self._shown_s >= _JSON_EVERY_S or type(event) is RunFinished:
            self._show()

    def on_tick(self, at: float) -> None:
        self._watched.tick(at)
        if self._watched.at - self._shown_s >= _JSON_EVERY_S:
            self._show()

    def _show(self) -> None:
        self._shown_s = self._watched.at
        self._stream.write(msgspec.json.encode(snapshot(self._watched.glance())).decode() + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to restore."""


class Bar:
    """A bar on the terminal, redrawn at most ten times a second; gone when the run ends."""

    def __init__(self, live: LiveState) -> None:
        from rich.progress import BarColumn, Progress, TextColumn  # only who shows a bar waits for it

        self._watched = _Watched(live)
        self._drawn_s = -_BAR_EVERY_S
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._progress.start()

    def on_event(self, event: Event) -> None:
        if event.at - self._drawn_s >= _BAR_EVERY_S or type(event) is RunFinished:
            self._draw()

    def on_tick(self, at: float) -> None:
        self._watched.tick(at)
        if self._watched.at - self._drawn_s >= _BAR_EVERY_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_s = self._watched.at
        glance = self._watched.glance()
        self._progress.update(
            self._task,
            completed=glance.totals.fraction,
            total=1.0 if glance.totals.pairs else None,
            description=summary_line(glance),
        )
        self._progress.refresh()

    def close(self) -> None:
        """Take the bar off the terminal; idempotent."""
        self._progress.stop()
