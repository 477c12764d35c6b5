"""Characters and colours of a Gantt chart's columns: two halves of time in one cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.style import Style
from textual.color import Color

from haloctl.tui.coverage import Times
from haloctl.tui.themes import SPANS, SpanKind
from haloctl.tui.timeline import KINDS

_BOUNDS: Final = (0.0, 0.35, 0.75)
"""Shares of a half column above which it is drawn faintly, then stronger, then full."""
_FAINT: Final = {3: 0.0, 2: 0.3, 1: 0.55}
"""How far the colour of each level fades into the background."""
_LEVELS: Final = len(_BOUNDS) + 1
_HALVES: Final = _LEVELS * len(KINDS)
_WAIT, _MIXED = KINDS.index("wait"), KINDS.index("mixed")
_PREFILL, _DECODE = KINDS.index("prefill"), KINDS.index("decode")
_BESIDE: Final = {_PREFILL: (_DECODE, "▖", "▗"), _DECODE: (_PREFILL, "▘", "▝")}
"""For what is beside a mixed half: what that half holds besides it, and its quarter, left or right."""

Cell: TypeAlias = tuple[str, Style]


class Palette:
    """Cells over a widget's own style `base`, made once for a theme.

    Where prefill and decode went on at once, prefill is drawn above decode, or one colour between the two
    where a half is all there is. `plain` tells kinds by their glyphs, for terminals without colour. `thin`
    leaves the upper half of each cell free, so that lanes on lines next to each other stay apart.
    """

    def __init__(self, look: Callable[[str], Style], base: Style, *, plain: bool, thin: bool) -> None:
        self.base = base
        self.epoch = Style(color=look("gantt--epoch").color)
        self._plain, self._thin = plain, thin
        tint = look("gantt--track").bgcolor
        assert tint is not None
        self._under = Style(bgcolor=base.bgcolor if thin else tint)
        self.idle: Cell = ("▄", Style(color=tint) + self._under) if thin and not plain else (" ", self._under)
        self._wait = "▁" if thin and not plain else SPANS["wait"].glyph
        self._kinds = [look(f"gantt--{kind}") for kind in KINDS]
        self._kinds[_MIXED] = _between(self._kinds[_PREFILL], self._kinds[_DECODE])
        self._shades = [
            {level: _faded(style, Color.from_rich_color(tint), faint) for level, faint in _FAINT.items()}
            for style in self._kinds
        ]
        self._cells: dict[int, Cell] = {}

    def legend(self, kind: SpanKind) -> Cell:
        """The sample of a kind."""
        if kind == "mixed" and not (self._plain or self._thin):
            return self._made(_MIXED, _LEVELS - 1, _MIXED, _LEVELS - 1)
        filled = SPANS[kind].glyph if self._plain else "▄" if self._thin else "█"
        return self._wait if kind == "wait" else filled, self._kinds[KINDS.index(kind)]

    def cells(self, kinds: npt.NDArray[np.intp], shares: Times) -> list[Cell]:
        """Cells for half columns: the index in `KINDS` and the share of time of each, two a cell."""
        halves = kinds * _LEVELS + np.searchsorted(_BOUNDS, shares, side="left")
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
        """A cell from kinds by index and levels from 0, nothing, to 3, full."""
        waits = (left == _WAIT and left_level) or (right == _WAIT and right_level)
        left_level, right_level = left_level * (left != _WAIT), right_level * (right != _WAIT)
        if not left_level and not right_level:
            return (self._wait, self._kinds[_WAIT] + self._under) if waits else self.idle
        if self._plain:
            kind = left if left_level >= right_level else right
            return SPANS[KINDS[kind]].glyph, self._kinds[kind]
        if not right_level:
            return "▖" if self._thin else "▌", self._in(left, left_level)
        if not left_level:
            return "▗" if self._thin else "▐", self._in(right, right_level)
        if self._thin:
            return "▄", self._in(*max((left, left_level), (right, right_level), key=lambda half: half[1]))
        if left == _MIXED == right:
            level = max(left_level, right_level)
            return self._over("▀", (_PREFILL, level), (_DECODE, level))
        if left == _MIXED and right in _BESIDE:
            other, quarter, _ = _BESIDE[right]
            return self._over(quarter, (other, left_level), (right, right_level))
        if right == _MIXED and left in _BESIDE:
            other, _, quarter = _BESIDE[left]
            return self._over(quarter, (other, right_level), (left, left_level))
        return self._both(self._shades[left][left_level], self._shades[right][right_level])

    def _in(self, kind: int, level: int) -> Style:
        return Style(color=self._shades[kind][level].rich_color) + self._under

    def _over(self, part: str, upper: tuple[int, int], under: tuple[int, int]) -> Cell:
        """A part of a cell in one kind and level, the rest of it in another."""
        front, back = self._shades[upper[0]][upper[1]], self._shades[under[0]][under[1]]
        return part, Style(color=front.rich_color, bgcolor=back.rich_color)

    def _both(self, left: Color, right: Color) -> Cell:
        style = Style(color=left.rich_color, bgcolor=right.rich_color)
        return "█" if left == right else "▌", style


def _between(style: Style, other: Style) -> Style:
    """The colour half-way between two."""
    assert style.color is not None
    assert other.color is not None
    middle = Color.from_rich_color(style.color).blend(Color.from_rich_color(other.color), 0.5)
    return style + Style(color=middle.rich_color)


def _faded(style: Style, background: Color, faint: float) -> Color:
    assert style.color is not None
    return Color.from_rich_color(style.color).blend(background, faint)
