"""The line on top of everything: healthy, how far, how long."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from haloctl.tui.model import PAGES, Page, ViewState
from haloctl.tui.pieces import TONE_SHADES
from haloctl.tui.status_text import GAP, Chip, chips, fitted
from haloctl.tui.themes import component_classes, looks_css


class StatusLine(Widget):
    """One line of chips over a thin bar of how far the run is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = component_classes("tone", TONE_SHADES) | {
        "status--bar",
        "status--track",
    }
    DEFAULT_CSS = """
    StatusLine { height: 2; background: $panel; }
    StatusLine.dimmed { text-opacity: 60%; }
    StatusLine > .status--bar { color: $primary; }
    StatusLine.failed > .status--bar { color: $error; }
    StatusLine.finished > .status--bar { color: $success; }
    StatusLine > .status--track { color: $foreground 15%; }
    """ + looks_css("StatusLine", "tone", TONE_SHADES)

    def __init__(self) -> None:
        super().__init__()
        self._chips: tuple[Chip, ...] = ()
        self._fraction = 0.0

    def show(self, view: ViewState) -> None:
        """Redraws only when a word of it has changed."""
        found, totals = chips(view), view.shown.totals
        self.set_class(view.link in ("reconnecting", "connecting"), "dimmed")
        self.set_class(totals.finished and view.link != "gone", "finished")
        self.set_class(view.link == "gone", "failed")
        fraction = round(totals.fraction, 3)
        if (found, fraction) != (self._chips, self._fraction):
            self._chips, self._fraction = found, fraction
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The chips, and below them the bar, as wide as the screen."""
        width = self.size.width
        if y:
            return self._bar(width)
        space = Segment(" " * GAP, self.rich_style)
        segments = [Segment(" ", self.rich_style)]
        for chip in fitted(self._chips, width - 2):
            segments += [Segment(chip.text, self.get_component_rich_style(f"tone--{chip.tone}")), space]
        return Strip(segments[:-1]).adjust_cell_length(width, self.rich_style)

    def _bar(self, width: int) -> Strip:
        done = round(self._fraction * width)
        bar, track = (self.get_component_rich_style(f"status--{name}") for name in ("bar", "track"))
        return Strip([Segment("━" * done, bar), Segment("─" * (width - done), track)], width)


class PageBar(Widget):
    """The pages with their number keys, the one looked at marked. A click turns to a page."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pages--here", "pages--other"}
    DEFAULT_CSS = """
    PageBar { height: 1; background: $background; }
    PageBar > .pages--here { color: $primary; text-style: bold reverse; }
    PageBar > .pages--other { color: $foreground 75%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._page: Page = "overview"

    def show(self, view: ViewState) -> None:
        """Redraws when the page changed."""
        if view.page != self._page:
            self._page = view.page
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """All pages in a row; narrow ones keep numbers and the names that fit."""
        segments = [Segment(" ", self.rich_style)]
        for text, page in labels(self.size.width - 1):
            here = page == self._page
            look = self.get_component_rich_style(f"pages--{'here' if here else 'other'}")
            segments.append(Segment(f" {text} ", look, None))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def page_at(self, x: int) -> Page | None:
        """The page whose label stands at column `x`."""
        start = 1
        for text, page in labels(self.size.width - 1):
            if start <= x < start + len(text) + 2:
                return page
            start += len(text) + 2
        return None


def labels(width: int) -> tuple[tuple[str, Page], ...]:
    """What is written for each page: its key and name, shortened until all fit into `width`."""
    for longest in (9, 6, 4, 0):
        found = tuple((f"{at} {page[:longest].title()}".strip(), page) for at, page in enumerate(PAGES, 1))
        if sum(len(text) + 2 for text, _page in found) <= width:
            return found
    return found
