"""A stacked bar: how many of each state there are, as a share of all and in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from haloctl.tui.plots import divided
from haloctl.tui.scales import quantity
from haloctl.tui.themes import STATES, State, component_classes, looks_css

_ORDER: Final[tuple[State, ...]] = (
    "failed",
    "blocked",
    "done",
    "cached",
    "running",
    "queued",
    "pending",
    "skipped",
)
"""From the left: what failed, since it is looked for first, what is finished, what is to come."""


class StackedBar(Widget):
    """One line of shares and one of numbers. However few of a state there are, it takes a cell."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bar--muted"} | component_classes("bar", STATES)
    DEFAULT_CSS = """
    StackedBar { height: 2; background: $background; }
    StackedBar > .bar--muted { color: $foreground 60%; }
    """ + looks_css("StackedBar", "bar", STATES)

    def __init__(self, *, empty: str = "Nothing to do yet.", id: str | None = None) -> None:
        super().__init__(id=id)
        self.empty = empty
        self.counts: dict[State, int] = {}

    def show(self, counts: Mapping[State, int]) -> None:
        """Show other numbers; the same ones cost nothing."""
        new = {state: counts[state] for state in _ORDER if counts.get(state, 0) > 0}
        if new != self.counts:
            self.counts = new
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The bar, or its legend."""
        width = self.size.width
        if not self.counts:
            line = [Segment(self.empty if y == 0 else "", self.get_component_rich_style("bar--muted"))]
        elif y == 0:
            line = self._shares(width)
        else:
            line = self._legend(width)
        return Strip(line).apply_style(self.rich_style).adjust_cell_length(width, self.rich_style)

    def _shares(self, width: int) -> list[Segment]:
        cells = divided(list(self.counts.values()), width)
        return [
            Segment(self._glyph(state) * count, self.get_component_rich_style(f"bar--{state}"))
            for state, count in zip(self.counts, cells, strict=True)
        ]

    def _glyph(self, state: State) -> str:
        if self.app.no_color:
            return STATES[state].glyph
        return "░" if state in ("pending", "queued", "skipped") else "█"

    def _legend(self, width: int) -> list[Segment]:
        """Numbers by state: exact with words where they fit, else rounded, and with as many words as fit."""
        texts = {state: f"{STATES[state].glyph} {count:,} {state}" for state, count in self.counts.items()}
        if _cells(texts) > width:
            texts = {state: f"{STATES[state].glyph} {quantity(n)}" for state, n in self.counts.items()}
        for state, text in texts.items():
            if state not in text and _cells({**texts, state: f"{text} {state}"}) <= width:
                texts[state] = f"{text} {state}"
        line: list[Segment] = []
        used = 0
        for state, text in texts.items():
            if used + cell_len(text) > width:
                break
            line += [Segment(text, self.get_component_rich_style(f"bar--{state}")), Segment("  ")]
            used += cell_len(text) + 2
        return line


def _cells(texts: Mapping[State, str]) -> int:
    return sum(map(cell_len, texts.values())) + 2 * (len(texts) - 1)
