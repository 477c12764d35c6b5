"""What workers and tools did when: spans by lane, looked up by moment and measured by column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
from msgspec import field

from engine.ir.ids import Record
from haloctl.tui.coverage import Coverage, Times
from haloctl.tui.rollup import Rollup
from haloctl.tui.themes import SpanKind

_NOTHING: Final = Coverage()
KINDS: Final[tuple[SpanKind, ...]] = get_args(SpanKind)
_COMPUTING: Final[tuple[SpanKind, SpanKind]] = ("prefill", "decode")
_MODEL_ROWS: Final = np.array([row for row, kind in enumerate(KINDS) if kind in (*_COMPUTING, "mixed")])
SPANS_KEPT: Final = 1 << 17
"""Spans of a lane whose labels can still be read; the time of older ones stays in the picture."""


class Span(Record, frozen=True, kw_only=True):
    """What a lane did from `start_s` to `end_s`, seconds since the run began; `label` says on what.

    `ok` is False for what failed or was lost.
    """

    lane: str
    start_s: float
    end_s: float
    kind: SpanKind
    label: str = ""
    ok: bool = True


class EpochMark(Record, frozen=True, kw_only=True):
    """The moment an epoch began."""

    at_s: float
    label: str


class _Covered(Record, frozen=True, kw_only=True):
    """What a lane's time went into: by kind, in prefill or decode or both, and in anything but waiting."""

    kinds: dict[SpanKind, Coverage] = field(default_factory=dict)
    computing: Coverage = _NOTHING
    busy: Coverage = _NOTHING

    def plus(self, spans: Iterable[Span]) -> _Covered:
        """The same with more spans."""
        times: dict[SpanKind, list[tuple[float, float]]] = defaultdict(list)
        for span in spans:
            times[span.kind].append((span.start_s, span.end_s))
        kinds, computing, busy = dict(self.kinds), self.computing, self.busy
        for kind, pairs in times.items():
            starts, ends = np.array(pairs).T
            kinds[kind] = kinds.get(kind, _NOTHING).plus(starts, ends)
            if kind in _COMPUTING:
                computing = computing.plus(starts, ends)
            if kind != "wait":
                busy = busy.plus(starts, ends)
        return _Covered(kinds=kinds, computing=computing, busy=busy)


class _Lane:
    """One lane: its covered time, and its spans in order of their starts."""

    def __init__(self) -> None:
        self.covered = _Covered()
        self.spans: list[Span] = []
        self.starts, self.ends = np.empty(0), np.empty(0)
        self.running: tuple[Span, ...] = ()
        self.rollup: Rollup | None = None
        self.revision = 0

    def add(self, spans: list[Span]) -> None:
        self.revision += 1
        self.covered = self.covered.plus(spans)
        at = int(np.searchsorted(self.starts, min(span.start_s for span in spans)))
        tail = sorted(self.spans[at:] + spans, key=_start)
        self.spans[at:] = tail
        self.starts = np.concatenate((self.starts[:at], [span.start_s for span in tail]))
        self.ends = np.concatenate((self.ends[:at], [span.end_s for span in tail]))
        if len(self.spans) > SPANS_KEPT:
            surplus = len(self.spans) - SPANS_KEPT * 3 // 4
            del self.spans[:surplus]
            self.starts, self.ends = self.starts[surplus:], self.ends[surplus:]

    def touching(self, start_s: float, end_s: float) -> list[Span]:
        before = int(np.searchsorted(self.starts, end_s))
        hits = (self.ends[:before] > start_s) | (self.starts[:before] >= start_s)
        running = [span for span in reversed(self.running) if span.start_s < end_s and span.end_s >= start_s]
        return running + [self.spans[i] for i in np.flatnonzero(hits)[::-1]]

    def seconds(self, edges: Times) -> npt.NDArray[np.float64]:
        """Seconds between edges, a row a kind: of spans where all are known, of the rollup before that."""
        now = self.now()
        known = edges if self.rollup is None else np.maximum(edges, self.rollup.until_s)
        table = np.zeros((len(KINDS), len(edges) - 1))
        for kind, covered in now.kinds.items():
            table[KINDS.index(kind)] = covered.between(known)
        if all(kind in now.kinds for kind in _COMPUTING):
            rows = [KINDS.index(kind) for kind in _COMPUTING]
            mixed = np.maximum(table[rows].sum(axis=0) - now.computing.between(known), 0.0)
            table[rows] -= mixed
            table[KINDS.index("mixed")] = mixed
        if self.rollup is not None:
            table += [self.rollup.between(kind, edges) for kind in KINDS]
        return table

    def now(self) -> _Covered:
        return self.covered.plus(self.running) if self.running else self.covered


def _start(span: Span) -> float:
    return span.start_s


def _most_first(share: tuple[SpanKind, float]) -> float:
    return -share[1]


class Timeline:
    """Lanes in the order they were named, their finished and running spans, and where epochs began."""

    def __init__(self, lanes: Iterable[str] = ()) -> None:
        self._lanes: dict[str, _Lane] = {lane: _Lane() for lane in lanes}
        self.epochs: tuple[EpochMark, ...] = ()
        self.end_s = 0.0
        self.summed = 0
        """Spans that are not known one by one: only what their time went into is."""

    @property
    def lanes(self) -> tuple[str, ...]:
        """Names of the lanes, top to bottom."""
        return tuple(self._lanes)

    def add(self, spans: Iterable[Span]) -> None:
        """Add finished spans, in any order; a lane not heard of before becomes the last one."""
        by_lane: dict[str, list[Span]] = defaultdict(list)
        for span in spans:
            by_lane[span.lane].append(span)
        for name, added in by_lane.items():
            self._lanes.setdefault(name, _Lane()).add(added)
            self.end_s = max(self.end_s, *(span.end_s for span in added))

    def show_running(self, spans: Iterable[Span], now_s: float) -> None:
        """Say what is going on at `now_s`: replaces what was running before; ends lie at `now_s`."""
        running: dict[str, list[Span]] = defaultdict(list)
        for span in spans:
            running[span.lane].append(span)
        for name in running:
            self._lanes.setdefault(name, _Lane())
        for name, lane in self._lanes.items():
            spans_now = tuple(running.get(name, ()))
            if spans_now or lane.running:
                lane.running = spans_now
                lane.revision += 1
        self.end_s = max(self.end_s, now_s)

    def roll(self, lane: str, rollup: Rollup) -> None:
        """Say how a lane's time went before the spans that are known; it stands in for older spans."""
        found = self._lanes.setdefault(lane, _Lane())
        found.rollup = rollup
        found.revision += 1

    def mark(self, epoch: EpochMark) -> None:
        """Note that an epoch began."""
        self.epochs = (*self.epochs, epoch)
        self.end_s = max(self.end_s, epoch.at_s)

    def revision(self, lane: str) -> int:
        """A number that grows whenever the lane would look different."""
        return self._lanes[lane].revision

    def columns(self, lane: str, edges: Times) -> tuple[npt.NDArray[np.intp], Times]:
        """For each column between `edges`: the index in `KINDS` that took most of it, and its share of it.

        Prefill and decode stand for the time in which the lane did nothing but that, "mixed" for both at
        once; the share is that of all three together. Waiting shows only where nothing else happened. A share
        of 0 means that nothing did.
        """
        table = self._lanes[lane].seconds(edges) / np.diff(edges)
        wait = KINDS.index("wait")
        table[wait][table.sum(axis=0) > table[wait]] = 0.0
        columns, model = np.arange(table.shape[1]), table[_MODEL_ROWS]
        most_of_model = _MODEL_ROWS[model.argmax(axis=0)]
        table[_MODEL_ROWS] = 0.0  # the three are compared with the others as one
        table[most_of_model, columns] = model.sum(axis=0)
        most = table.argmax(axis=0)
        return most, np.minimum(table[most, columns], 1.0)

    def utilisation(self, lane: str, start_s: float, end_s: float) -> float:
        """Share of the time between two moments in which the lane did anything but wait, from 0 to 1."""
        if end_s <= start_s:
            return 0.0
        found, edges = self._lanes[lane], np.array([start_s, end_s])
        busy = found.now().busy
        if found.rollup is None:
            seconds = busy.between(edges)
        else:
            seconds = busy.between(np.maximum(edges, found.rollup.until_s)) + found.rollup.busy_between(edges)
        return float(seconds[0]) / (end_s - start_s)

    def rolled(self, lane: str, start_s: float, end_s: float) -> tuple[tuple[SpanKind, float], ...]:
        """Kinds and their shares of the time between two moments, where spans are not known; most first."""
        rollup = self._lanes[lane].rollup
        if rollup is None or end_s <= start_s:
            return ()
        edges = np.array([start_s, end_s])
        shares = [(kind, float(rollup.between(kind, edges)[0]) / (end_s - start_s)) for kind in KINDS]
        return tuple(sorted((each for each in shares if each[1] > 0), key=_most_first))

    def at(self, lane: str, start_s: float, end_s: float) -> tuple[Span, ...]:
        """Spans that touch the time between two moments, the ones begun last first."""
        return tuple(self._lanes[lane].touching(start_s, end_s))
