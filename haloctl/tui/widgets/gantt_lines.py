"""Lines of the Gantt chart as styled text: lanes, epochs, axis and legend; nothing here keeps state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from haloctl.tui.cells import one_line
from haloctl.tui.scales import time_ticks
from haloctl.tui.themes import SPANS, SpanKind
from haloctl.tui.timeline import KINDS, EpochMark, Timeline
from haloctl.tui.viewport import Viewport

_FULL, _MOST, _LITTLE = 0.75, 0.35, 0.0
_FAINT = {3: 0.0, 2: 0.3, 1: 0.55}
"""How far a colour fades into the background, by how much of the half column was used."""
_LEVELS: Final = 4
_HALVES: Final = _LEVELS * len(KINDS)

Cell: TypeAlias = tuple[str, Style]


class Palette:
    """Styles of half columns over a widget's own style `base`, made once for a theme."""

    def __init__(self, look: Callable[[str], Style], base: Style, plain: bool) -> None:
        self.base = base
        self.track = Style(bgcolor=look("gantt--track").bgcolor)
        self.epoch = look("gantt--epoch").without_color + Style(color=look("gantt--epoch").color)
        self.plain = plain
        assert self.track.bgcolor is not None
        background = Color.from_rich_color(self.track.bgcolor)
        self._kinds = [look(f"gantt--{kind}") for kind in KINDS]
        self._shades = [
            {level: _faded(style, background, faint) for level, faint in _FAINT.items()}
            for style in self._kinds
        ]
        self._cells: dict[int, Cell] = {}

    def legend(self, kind: SpanKind) -> Cell:
        """The sample of a kind."""
        glyph = SPANS[kind].glyph if self.plain or kind == "wait" else "█"
        return glyph, self._kinds[KINDS.index(kind)]

    def cells(self, halves: npt.NDArray[np.intp]) -> list[Cell]:
        """Characters for pairs of halves, each `_LEVELS` times its kind's index plus its level."""
        made = self._cells
        cells = []
        for pair in (halves[::2] * _HALVES + halves[1::2]).tolist():
            cell = made.get(pair)
            if cell is None:
                left, right = divmod(pair, _HALVES)
                cell = made[pair] = self._made(*divmod(left, _LEVELS), *divmod(right, _LEVELS))
            cells.append(cell)
        return cells

    def _made(self, left: int, left_level: int, right: int, right_level: int) -> Cell:
        wait = KINDS.index("wait")
        if not left_level and not right_level:
            return " ", self.track
        if left == wait and left_level and right == wait and right_level:
            return SPANS["wait"].glyph, self._kinds[wait] + self.track
        if self.plain:
            kind = left if left_level >= right_level else right
            return SPANS[KINDS[kind]].glyph, self._kinds[kind]
        left_level = 0 if left == wait else left_level
        right_level = 0 if right == wait else right_level
        if not right_level:
            return self._half("▌", left, left_level, wait)
        if not left_level:
            return self._half("▐", right, right_level, wait)
        first, second = self._shades[left][left_level], self._shades[right][right_level]
        if first == second:
            return "█", Style(color=first.rich_color, bgcolor=first.rich_color)
        return "▌", Style(color=first.rich_color, bgcolor=second.rich_color)

    def _half(self, block: str, kind: int, level: int, wait: int) -> Cell:
        if not level:
            return SPANS["wait"].glyph, self._kinds[wait] + self.track
        return block, Style(color=self._shades[kind][level].rich_color) + self.track


def _faded(style: Style, background: Color, faint: float) -> Color:
    assert style.color is not None
    return Color.from_rich_color(style.color).blend(background, faint)


def lane_cells(timeline: Timeline, lane: str, view: Viewport, palette: Palette) -> list[Cell]:
    """The track of one lane, a character and its style for each column."""
    kinds, shares = timeline.columns(lane, view.halves())
    levels = np.searchsorted([_LITTLE, _MOST, _FULL], shares, side="left")
    cells = palette.cells(kinds * _LEVELS + levels)
    end = view.column(timeline.end_s)
    for column in range(max(0, end + 1), view.cells):
        cells[column] = (" ", palette.base)
    for column in epoch_columns(timeline.epochs, view):
        if cells[column][0] == " ":
            cells[column] = ("┊", cells[column][1] + palette.epoch)
    return cells


def epoch_columns(epochs: Sequence[EpochMark], view: Viewport) -> set[int]:
    """Columns on the screen in which an epoch begins."""
    return {column for epoch in epochs if 0 <= (column := view.column(epoch.at_s)) < view.cells}


def labels_line(labels: Sequence[tuple[int, str]], cells: int) -> str:
    """Labels at their columns on one line; one that would touch the label before it is left out."""
    line, used = "", 0
    for column, label in sorted(labels):
        room = cells - column
        if column < 0 or room <= 0 or (line and (column < used + 1 or cell_len(label) > room)):
            continue
        line += " " * (column - used) + one_line(label, room)
        used = cell_len(line)
    return line + " " * (cells - used)


def axis_line(view: Viewport) -> str:
    """The time axis: a tick and its label at round moments."""
    ticks = time_ticks(view.start_s, view.end_s, view.cells)
    return labels_line([(view.column(tick.at_s), "╷" + tick.label) for tick in ticks], view.cells)


def epochs_line(epochs: Sequence[EpochMark], view: Viewport) -> str:
    """Names of epochs where they begin; the one under way stands at the left edge, if it has room there."""
    labels = [(view.column(epoch.at_s), "┊" + epoch.label) for epoch in epochs]
    before = [label for column, label in labels if column < 0]
    first = min((column for column, _ in labels if column >= 0), default=view.cells)
    current = [(0, before[-1])] if before and first > cell_len(before[-1]) else []
    return labels_line(current + labels, view.cells)


def segments(cells: Sequence[Cell]) -> list[Segment]:
    """Cells as runs of one style."""
    return [
        Segment("".join([text for text, _ in run]), run[0][1])
        for run in (list(group) for _, group in groupby(cells, key=lambda cell: id(cell[1])))
    ]
