"""Progress of a run on stderr, fed by its events: a bar on a terminal, lines elsewhere, or JSON lines."""

from __future__ import annotations

import os
import sys
from typing import Literal, Protocol, TextIO, TypeAlias

import msgspec
from rich.progress import BarColumn, Progress, TextColumn

from engine.ir.event import Event, QueryFinished, RunFinished, WorkerLost
from engine.live.tally import Tally
from haloctl.render import console, duration
from haloctl.sanitise import clean_line

Mode: TypeAlias = Literal["auto", "rich", "plain", "json", "none"]

_LINE_EVERY_S = 5.0
_BAR_EVERY_S = 0.1
_JSON_EVERY_S = 1.0


class Display(Protocol):
    """Takes a run's events as they happen, and the time now and then; `close` restores the terminal."""

    tally: Tally

    def on_event(self, event: Event) -> None: ...

    def on_tick(self, at: float) -> None: ...

    def close(self) -> None: ...


def open_display(
    mode: Mode = "auto", *, window_queries: int | None = None, stream: TextIO | None = None
) -> Display:
    """The display for `mode`; auto is a bar on a terminal that can show one, and lines elsewhere."""
    stream = sys.stderr if stream is None else stream
    if mode == "auto":
        capable = stream.isatty() and os.environ.get("TERM", "") != "dumb"
        mode = "rich" if capable else "plain"
    match mode:
        case "rich":
            return Bar(window_queries)
        case "plain":
            return Lines(stream, window_queries)
        case "json":
            return JsonLines(stream, window_queries)
        case _:
            return Silent(window_queries)


def summary_line(tally: Tally) -> str:
    """One line for people: rows, failures, speed, reuse and what is left."""
    totals, eta = tally.totals, tally.eta_s
    known = f"{totals.rows_total}" + ("" if totals.rows_known or totals.finished else "+")
    parts = [f"{totals.rows}/{known} rows" if totals.rows_total else totals.doing]
    if totals.rows_failed:
        parts.append(f"{totals.rows_failed} failed")
    if totals.retried:
        parts.append(f"{totals.retried} retried")
    if totals.workers_lost:
        parts.append(f"{totals.workers_lost} workers lost")
    if totals.decoded_tokens:
        parts.append(f"{tally.tokens_per_s:.0f} tok/s")
        parts.append(f"reuse {totals.reuse:.0%}")
    if totals.doing not in ("starting", "planning", "running", "finished"):
        parts.append(totals.doing)
    parts.append(f"ETA {duration(round(eta, 1))}" if eta is not None else duration(tally.at))
    return clean_line(" · ".join(parts))


class Silent:
    """Counts, shows nothing."""

    def __init__(self, window_queries: int | None = None) -> None:
        self.tally = Tally(window_queries)

    def on_event(self, event: Event) -> None:
        self.tally.absorb(event)

    def on_tick(self, at: float) -> None:
        self.tally.advance(at)

    def close(self) -> None:
        """Nothing to restore."""


class Lines:
    """A line whenever a tenth of the rows came in, at the latest after five seconds, and at the end."""

    def __init__(self, stream: TextIO, window_queries: int | None = None) -> None:
        self.tally = Tally(window_queries)
        self._stream = stream
        self._tenth = 0
        self._shown_s = 0.0

    def on_event(self, event: Event) -> None:
        self.tally.absorb(event)
        totals = self.tally.totals
        tenth = totals.rows * 10 // totals.rows_total if totals.rows_total else 0
        due = tenth > self._tenth and isinstance(event, QueryFinished)
        if due or isinstance(event, RunFinished | WorkerLost):
            self._tenth = tenth
            self._show()
        else:
            self._show_when_late()

    def on_tick(self, at: float) -> None:
        self.tally.advance(at)
        self._show_when_late()

    def _show_when_late(self) -> None:
        if self.tally.at - self._shown_s >= _LINE_EVERY_S:
            self._show()

    def _show(self) -> None:
        self._shown_s = self.tally.at
        self._stream.write(summary_line(self.tally) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to restore."""


class JsonLines:
    """One JSON object a second and one at the end, for programs that watch."""

    def __init__(self, stream: TextIO, window_queries: int | None = None) -> None:
        self.tally = Tally(window_queries)
        self._stream = stream
        self._shown_s = -_JSON_EVERY_S

    def on_event(self, event: Event) -> None:
        self.tally.absorb(event)
        self._show(now=isinstance(event, RunFinished))

    def on_tick(self, at: float) -> None:
        self.tally.advance(at)
        self._show()

    def _show(self, *, now: bool = False) -> None:
        if now or self.tally.at - self._shown_s >= _JSON_EVERY_S:
            self._shown_s = self.tally.at
            self._stream.write(msgspec.json.encode(snapshot(self.tally)).decode() + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing to restore."""


def snapshot(tally: Tally) -> dict[str, object]:
    """The tally as JSON data; `eta_s` is null when unknown."""
    totals, eta = tally.totals, tally.eta_s
    return {
        "run": totals.run,
        "at_s": round(tally.at, 3),
        "doing": totals.doing,
        "rows": totals.rows,
        "total": totals.rows_total,
        "failed": totals.rows_failed,
        "retried": totals.retried,
        "workers_lost": totals.workers_lost,
        "decoded_tokens": totals.decoded_tokens,
        "tokens_per_s": round(tally.tokens_per_s, 1),
        "reuse": round(totals.reuse, 4),
        "eta_s": None if eta is None else round(eta, 1),
    }


class Bar:
    """A bar on the terminal, redrawn at most ten times a second; gone when the run ends."""

    def __init__(self, window_queries: int | None = None) -> None:
        self.tally = Tally(window_queries)
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
        self.tally.absorb(event)
        self._draw(now=isinstance(event, RunFinished))

    def on_tick(self, at: float) -> None:
        self.tally.advance(at)
        self._draw()

    def _draw(self, *, now: bool = False) -> None:
        if now or self.tally.at - self._drawn_s >= _BAR_EVERY_S:
            self._drawn_s = self.tally.at
            self._progress.update(
                self._task,
                completed=self.tally.totals.fraction,
                total=1.0 if self.tally.totals.pairs else None,
                description=summary_line(self.tally),
            )
            self._progress.refresh()

    def close(self) -> None:
        """Take the bar off the terminal; idempotent."""
        self._progress.stop()
