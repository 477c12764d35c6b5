"""Series of numbers as dots and bars in character cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.ir.ids import Record
from haloctl.tui.scales import quantity, round_up

_LEFT: Final = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT: Final = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
"""Dots of a braille character filled from below, 0 to 4 high, in its left and right column."""

_STRETCH: Final = (1, 2, 4, 8)
"""So many columns a point may take while a series is short."""


class Series(Record, frozen=True, kw_only=True):
    """A quantity at equal steps of time, oldest first; NaN where it is not known.

    `start_s` is the moment of the first point; `top` fixes the scale, where None rounds up the largest value.
    """

    values: tuple[float, ...] = ()
    step_s: float = 1.0
    start_s: float = 0.0
    unit: str = ""
    top: float | None = None

    @property
    def scale_top(self) -> float:
        """What the upper edge of the picture stands for."""
        known = [value for value in self.values if math.isfinite(value)]
        return round_up(max(known, default=0.0)) if self.top is None else self.top

    def shown(self, value: float) -> str:
        """A value with its unit; shares of one are written in per cent."""
        if self.unit == "%" and math.isfinite(value):
            return f"{value:.0%}"
        return quantity(value) + (self.unit if math.isfinite(value) else "")


def condensed(series: Series, columns: int) -> tuple[npt.NDArray[np.float64], float]:
    """The latest of a series as at most `columns` points, means of equally many, and the seconds between.

    As many go together as fill the columns, so that less than half of the series is left out. Which ones do
    depends on their time alone: old points stay as they are when new ones come.
    """
    values = np.array(series.values, dtype=np.float64)
    if not len(values) or columns < 1:
        return np.empty(0), series.step_s
    moments = round(series.start_s / series.step_s) + np.arange(len(values))
    together = max(1, len(values) // columns)
    groups = moments // together - moments[-1] // together + columns - 1
    values, groups = values[groups >= 0], groups[groups >= 0]
    groups -= groups[0]
    count = int(groups[-1]) + 1
    known = np.isfinite(values)
    sums = np.bincount(groups[known], values[known], minlength=count)
    counts = np.bincount(groups[known], minlength=count)
    means = np.full(count, math.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means, together * series.step_s


def drawn(series: Series, columns: int) -> tuple[npt.NDArray[np.float64], float]:
    """Points to draw in `columns`, and the seconds between: condensed, or each several times while few."""
    points, step_s = condensed(series, columns)
    times = max((n for n in _STRETCH if n * len(points) <= columns), default=1)
    return np.repeat(points, times), step_s / times


def braille_rows(points: Sequence[float], top: float, cells: int, rows: int) -> list[str]:
    """Points as a filled curve, the latest at the right edge: two a cell, four steps a row, from 0 to `top`.

    A value above 0 shows at least one dot, and one above `top` the full height. Empty cells are braille
    too, so that a picture made with another font for braille keeps its columns.
    """
    steps = np.zeros(2 * cells, dtype=np.intp)
    shown = np.nan_to_num(np.asarray(points, dtype=np.float64)[-2 * cells :])
    heights = np.ceil(np.clip(shown / top, 0.0, 1.0) * rows * 4 - 1e-9).astype(np.intp)
    if len(heights):
        steps[-len(heights) :] = heights
    lines = []
    for row in range(rows):
        level = np.clip(steps - (rows - 1 - row) * 4, 0, 4)
        pairs = zip(level[::2].tolist(), level[1::2].tolist(), strict=True)
        lines.append("".join(chr(0x2800 + _LEFT[left] + _RIGHT[right]) for left, right in pairs))
    return lines


def divided(values: Sequence[float], cells: int) -> tuple[int, ...]:
    """`cells` in proportion to `values`: every part above 0 gets a cell as long as there are enough."""
    total = sum(values)
    if total <= 0 or cells <= 0:
        return (0,) * len(values)
    exact = [value / total * cells for value in values]
    least = [1 if value > 0 else 0 for value in values]
    if sum(least) > cells:
        least = [0] * len(values)
    widths = [max(low, math.floor(share)) for low, share in zip(least, exact, strict=True)]
    while sum(widths) != cells:
        up = sum(widths) < cells
        free = [i for i in range(len(widths)) if values[i] > 0 and (up or widths[i] > least[i])]
        far = max(free, key=lambda i: (exact[i] - widths[i]) * (1 if up else -1))
        widths[far] += 1 if up else -1
    return tuple(widths)
