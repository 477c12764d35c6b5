"""Which parts of time are covered: overlapping intervals as a union, measured between any two moments.

The union is kept sorted with its running total, so that the covered time of a thousand columns is a thousand
binary searches, however many intervals there were: exact at every zoom, and nothing to roll up again when
the zoom changes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Times: TypeAlias = npt.NDArray[np.float64]
"""Moments or durations in seconds."""


class Coverage:
    """The union of intervals. Never changed: `plus` makes another."""

    __slots__ = ("_before", "_ends", "_starts")

    def __init__(self, starts: Times | None = None, ends: Times | None = None) -> None:
        self._starts = np.empty(0) if starts is None else starts
        self._ends = np.empty(0) if ends is None else ends
        lengths = self._ends - self._starts
        self._before = np.concatenate(([0.0], np.cumsum(lengths)))

    @property
    def total_s(self) -> float:
        """Seconds covered in all."""
        return float(self._before[-1])

    @property
    def pieces(self) -> int:
        """How many disjoint intervals the union has."""
        return len(self._starts)

    def plus(self, starts: Times, ends: Times) -> Coverage:
        """The union with more intervals, in any order; those that end before they start add nothing."""
        real = ends > starts
        starts, ends = starts[real], ends[real]
        if not len(starts):
            return self
        kept = int(np.searchsorted(self._ends, starts.min(), side="left"))
        starts, ends = _union(
            np.concatenate((self._starts[kept:], starts)), np.concatenate((self._ends[kept:], ends))
        )
        return Coverage(
            np.concatenate((self._starts[:kept], starts)), np.concatenate((self._ends[:kept], ends))
        )

    def until(self, moments: Times) -> Times:
        """Seconds covered before each of `moments`."""
        if not len(self._starts):
            return np.zeros(len(moments))
        index = np.searchsorted(self._starts, moments, side="right") - 1
        inside = np.minimum(moments, self._ends[index]) - self._starts[index]
        covered: Times = np.where(index < 0, 0.0, self._before[index] + inside)
        return covered

    def between(self, edges: Times) -> Times:
        """Seconds covered between each of `edges` and the next; one fewer than there are edges."""
        return np.diff(self.until(edges))


def _union(starts: Times, ends: Times) -> tuple[Times, Times]:
    """Intervals as disjoint ones in order; those that touch become one."""
    order = np.argsort(starts, kind="stable")
    starts, reached = starts[order], np.maximum.accumulate(ends[order])
    first = np.concatenate(([True], starts[1:] > reached[:-1]))
    last = np.concatenate((first[1:], [True]))
    return starts[first], reached[last]
