"""Which columns of a table fit its width, and how wide each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.ir.ids import Record
from haloctl.tui.row_table import Column

LEAST: Final = 10
"""Cells a column that takes what is left should at least have."""


class Placed(Record, frozen=True, kw_only=True):
    """A column on the screen: its index, its left edge and its cells."""

    index: int
    x: int
    width: int


def gap(width: int) -> int:
    """Cells between columns."""
    return 2 if width >= 40 else 1


def place(columns: Sequence[Column], width: int, first: int = 1) -> tuple[Placed, ...]:
    """The columns that fit into `width` cells: the first one always, the others from index `first` on.

    One without a width takes what is left; where there is none, the last column does if it is text. The last
    one that does not fit whole is cut when nothing but the first column stands beside it.
    """
    if not columns or width <= 0:
        return ()
    between = gap(width)
    chosen: list[int] = []
    used = -between
    for index in (0, *range(max(1, first), len(columns))):
        wanted = columns[index].width or LEAST
        if len(chosen) >= 2 and used + between + wanted > width:
            break
        chosen.append(index)
        used += between + wanted
    widths = [columns[index].width or LEAST for index in chosen]
    spare = width - used
    if spare < 0:
        _narrow(widths, -spare)
    elif (elastic := _elastic(columns, chosen)) is not None:
        widths[elastic] += spare
    return _beside(chosen, widths, between)


def _narrow(widths: list[int], by: int) -> None:
    """Take cells from the last column, then from the first; each keeps one."""
    for index in reversed(range(len(widths))):
        cut = min(by, max(0, widths[index] - 1))
        widths[index] -= cut
        by -= cut


def _elastic(columns: Sequence[Column], chosen: Sequence[int]) -> int | None:
    for place_, index in enumerate(chosen):
        if not columns[index].width:
            return place_
    return None if columns[chosen[-1]].numeric else len(chosen) - 1


def _beside(chosen: Sequence[int], widths: Sequence[int], between: int) -> tuple[Placed, ...]:
    x, placed = 0, []
    for index, width in zip(chosen, widths, strict=True):
        placed.append(Placed(index=index, x=x, width=width))
        x += width + between
    return tuple(placed)


def scrolled_to(columns: Sequence[Column], width: int, first: int, wanted: int) -> int:
    """The first column after the fixed one, moved no further than needed to show column `wanted`."""
    if wanted == 0:
        return first
    first = max(1, min(first, wanted))
    while first < wanted and all(placed.index != wanted for placed in place(columns, width, first)):
        first += 1
    return first
