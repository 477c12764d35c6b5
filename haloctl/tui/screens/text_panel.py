"""A panel of lines in tones: facts, prompts, logs."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.strip import Strip

from haloctl.tui.pieces import TONE_SHADES, Line
from haloctl.tui.themes import component_classes, looks_css
from haloctl.tui.widgets.panel import Panel


class TextPanel(Panel):
    """Shows lines; scrolls where they are more than fit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = component_classes("tone", TONE_SHADES)
    DEFAULT_CSS = "TextPanel { padding: 0 0 0 1; }\n" + looks_css("TextPanel", "tone", TONE_SHADES)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Down", id="text.down", tooltip="Scroll down", show=False),
        Binding("up,k", "scroll_up", "Up", id="text.up", tooltip="Scroll up", show=False),
        Binding(
            "pagedown",
            "page_down",
            "Page down",
            id="text.page_down",
            show=False,
            tooltip="Scroll a screenful down",
        ),
        Binding(
            "pageup", "page_up", "Page up", id="text.page_up", show=False, tooltip="Scroll a screenful up"
        ),
        Binding("home,g", "scroll_home", "Top", id="text.top", tooltip="To the first line", show=False),
        Binding("end,G", "scroll_end", "End", id="text.end", tooltip="To the last line", show=False),
    ]

    def __init__(self, *, title: str = "", empty: str = "", id: str | None = None) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self.lines: tuple[Line, ...] = ()

    def show(self, lines: tuple[Line, ...]) -> None:
        """Replace what is shown; scrolling stays where it was as far as that is possible."""
        if lines == self.lines:
            return
        self.lines = lines
        self.virtual_size = Size(0, len(lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the panel."""
        if not self.lines:
            return self.empty_line(y)
        at = y + self.scroll_offset.y
        return self.strip_of(self.lines[at]) if at < len(self.lines) else self.blank()

    def strip_of(self, line: Line) -> Strip:
        """A line cut to the panel's width."""
        width = self.inner_width
        strip = Strip([Segment(piece.text, self.look(f"tone--{piece.tone}")) for piece in line])
        if strip.cell_length > width:
            cut = Segment("…", self.look("tone--muted"))
            strip = Strip([*strip.crop(0, width - 1), cut])
        return strip.adjust_cell_length(width, self.rich_style)
