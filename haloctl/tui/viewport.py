"""Which stretch of time is on the screen: a left edge and a width of cells in powers of two."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.ir.ids import Record

FINEST: Final = -14
COARSEST: Final = 14
"""Exponents of two of the seconds a cell stands for: 61 µs to four and a half hours."""


class Viewport(Record, frozen=True, kw_only=True):
    """`cells` columns of `2 ** exponent` seconds each, the first beginning at `start_s`."""

    start_s: float = 0.0
    exponent: int = 0
    cells: int = 1

    @property
    def cell_s(self) -> float:
        """Seconds a column stands for."""
        return float(2.0**self.exponent)

    @property
    def end_s(self) -> float:
        """The right edge of the last column."""
        return self.start_s + self.cells * self.cell_s

    def halves(self) -> npt.NDArray[np.float64]:
        """Edges of all half columns, two a column and one more."""
        return np.asarray(self.start_s + np.arange(2 * self.cells + 1) * (self.cell_s / 2), np.float64)

    def column(self, at_s: float) -> int:
        """The column a moment falls into; it may lie off the screen."""
        return math.floor((at_s - self.start_s) / self.cell_s + 1e-6)

    def moment(self, column: int) -> float:
        """The left edge of a column."""
        return self.start_s + column * self.cell_s

    def resized(self, cells: int) -> Viewport:
        """The same left edge and scale over another number of columns."""
        return Viewport(start_s=self.start_s, exponent=self.exponent, cells=max(1, cells))

    def panned(self, columns: int) -> Viewport:
        """Moved by columns, never to before the run began."""
        start_s = max(0.0, self.start_s + columns * self.cell_s)
        return Viewport(start_s=start_s, exponent=self.exponent, cells=self.cells)

    def zoomed(self, steps: int, around_s: float) -> Viewport:
        """Finer by `steps` powers of two (coarser if negative), a moment staying in its column if it can."""
        exponent = min(COARSEST, max(FINEST, self.exponent - steps))
        kept = self.column(around_s)
        start_s = _aligned(max(0.0, around_s - kept * 2.0**exponent), exponent)
        return Viewport(start_s=start_s, exponent=exponent, cells=self.cells)

    def fitted(self, end_s: float) -> Viewport:
        """From the beginning to `end_s`, as fine as the columns allow."""
        wanted = max(end_s, 1e-9) / self.cells
        exponent = min(COARSEST, max(FINEST, math.ceil(math.log2(wanted) - 1e-9)))
        return Viewport(exponent=exponent, cells=self.cells)

    def following(self, end_s: float) -> Viewport:
        """Moved so that `end_s` lies in the last column, or the run begins in the first."""
        first = math.floor(end_s / self.cell_s) - self.cells + 1
        return Viewport(start_s=max(0, first) * self.cell_s, exponent=self.exponent, cells=self.cells)

    def showing(self, at_s: float) -> Viewport:
        """Moved no further than needed for a moment to be on the screen."""
        column = self.column(at_s)
        if column < 0:
            return self.panned(column)
        return self.panned(max(0, column - self.cells + 1))


def _aligned(start_s: float, exponent: int) -> float:
    """The column boundary at or before a moment, so that columns do not shimmer while time moves on."""
    return math.floor(start_s / 2.0**exponent + 1e-9) * 2.0**exponent
