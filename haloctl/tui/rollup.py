"""How a lane's time went where its spans are not known one by one: by kind, between any two moments.

The run counts slot-seconds, and a picture shows time: sixteen sequences that decode side by side for a second
count sixteen. What a lane has in hand at once on average, while it has anything, is what they are divided by.
"""

from __future__ import annotations

import numpy as np

from engine.live.state import SPAN_KINDS, LaneLive, LaneUse
from haloctl.tui.coverage import Times
from haloctl.tui.themes import SpanKind

_LOAD = SPAN_KINDS.index("load")


class Rollup:
    """One lane's time before `until_s`, as seconds of each kind that grow evenly within a bucket."""

    def __init__(self, use: LaneUse, lane: LaneLive, at_s: float, until_s: float) -> None:
        """`lane` and `use` as they stood at `at_s`."""
        self.until_s = until_s
        seconds = np.frombuffer(use.seconds, np.float32).reshape(-1, len(SPAN_KINDS)).astype(np.float64)
        busy_s = lane.busy_s + (0.0 if lane.busy_since_s is None else at_s - lane.busy_since_s)
        slots = np.full(len(SPAN_KINDS), max(1.0, _worked(seconds) / busy_s) if busy_s > 0 else 1.0)
        slots[_LOAD] = 1.0
        seconds = seconds / slots
        full = seconds.sum(axis=1, keepdims=True)
        seconds *= np.minimum(1.0, use.width_s / np.maximum(full, use.width_s))
        self._edges = np.arange(len(seconds) + 1) * use.width_s
        self._before = np.concatenate((np.zeros((1, len(SPAN_KINDS))), np.cumsum(seconds, axis=0)))

    def between(self, kind: SpanKind, edges: Times) -> Times:
        """Seconds of a kind between each of `edges` and the next, as far as they lie before `until_s`.

        What ran at the same moment is not known here: nothing is "mixed".
        """
        if kind == "mixed":
            return np.zeros(len(edges) - 1)
        before = self._before[:, SPAN_KINDS.index(kind)]
        seconds: Times = np.diff(np.interp(np.minimum(edges, self.until_s), self._edges, before))
        return seconds

    def busy_between(self, edges: Times) -> Times:
        """Seconds of anything but waiting between each of `edges` and the next."""
        total = np.zeros(len(edges) - 1)
        for kind in SPAN_KINDS:
            if kind != "wait":
                total += self.between(kind, edges)
        return total


def _worked(seconds: Times) -> float:
    """Slot-seconds of calls, which a lane's busy time is the time of; loads are none."""
    return float(seconds.sum() - seconds[:, _LOAD].sum())
