"""Screens without any colour, for NO_COLOR: what colours told is told by dim, underlined and reversed text.

Textual only turns colours into greys, and sends those as colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter, Monochrome

FAINT: Final = 0.5
"""Text that differs less from what is behind it, in brightness from 0 to 1, is dim."""
MARKED: Final = 0.06
"""Text is underlined where what is behind it differs more from the widget's background."""
STRONG: Final = 0.35
"""Text is reversed where it differs as much as this."""
_NONE: Final = Style.from_color(RichColor.default(), RichColor.default())


class Colourless(LineFilter):
    """Takes all colours from lines, and puts in their place what every terminal can do without."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text in styles without colour."""
        return [
            Segment(text, None if style is None else without_colour(style, background), control)
            for text, style, control in segments
        ]


def colourless(filters: Iterable[LineFilter]) -> list[LineFilter]:
    """The filters of an application that shows no colour: this one in the place of Textual's greys."""
    return [*(each for each in filters if not isinstance(each, Monochrome)), Colourless()]


@lru_cache(4096)
def without_colour(style: Style, background: Color) -> Style:
    """A style that tells the same as `style` on a background, as far as that is possible without colour."""
    behind, under = _brightness(style.bgcolor, background.brightness), background.brightness
    told = _NONE
    if style.color is not None and not style.reverse and not style.bold:
        faint = abs(_brightness(style.color, behind) - behind) < FAINT
        told += Style(dim=True) if faint else Style.null()
    if not style.reverse and abs(behind - under) > MARKED:
        told += Style(reverse=True, dim=False) if abs(behind - under) > STRONG else Style(underline=True)
    return style + told


def _brightness(colour: RichColor | None, otherwise: float) -> float:
    if colour is None or colour.is_default:
        return otherwise
    return Color.from_rich_color(colour).brightness
