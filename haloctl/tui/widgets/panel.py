"""What all line-drawn widgets share: a border that shows focus, a width to draw in, and the empty state."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.scroll_view import ScrollView
from textual.strip import Strip

from haloctl.tui.cells import fit, one_line


class Panel(ScrollView, can_focus=True):
    """A bordered widget drawn line by line; `empty` is the sentence shown while there is nothing to draw."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"panel--muted", "panel--strong", "panel--cursor", "panel--error"}
    DEFAULT_CSS = """
    Panel {
        height: 1fr;
        overflow-x: hidden;
        background: $background;
        border: round $foreground 25%;
        border-title-color: $foreground 75%;
        border-subtitle-color: $error;
        border-subtitle-style: bold;
        border-subtitle-align: left;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-color: $foreground 25%;
    }
    Panel:focus { border: round $primary; border-title-color: $primary; border-title-style: bold; }
    Panel:focus:nocolor { border: heavy $foreground; }
    Panel > .panel--muted { color: $foreground 55%; }
    Panel > .panel--strong { text-style: bold; }
    Panel > .panel--cursor { background: $primary 25%; }
    Panel:nocolor > .panel--cursor { text-style: reverse; }
    Panel > .panel--error { color: $error; text-style: bold; }
    """

    def __init__(self, *, title: str = "", empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self.empty = empty
        self._base: Style | None = None
        if title:
            self.border_title = title_of(title)

    @property
    def inner_width(self) -> int:
        """Cells a line may fill, beside border and scrollbar."""
        return self.scrollable_content_region.width

    @property
    def inner_height(self) -> int:
        """Lines that are visible."""
        return self.scrollable_content_region.height

    def look(self, name: str) -> Style:
        """The style of a component class, over this widget's background."""
        return self.get_component_rich_style(name)

    @property
    def base(self) -> Style:
        """The style of this widget's own text and background."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def watch_virtual_size(self) -> None:
        """What is shown became less: an aim beyond its end, which Textual would keep, is none any more.

        The next key would set out from there, and scroll for as long as that takes.
        """
        x, y = self.max_scroll_x, self.max_scroll_y
        if self.scroll_target_x > x or self.scroll_target_y > y:
            self.scroll_to(
                min(self.scroll_target_x, x), min(self.scroll_target_y, y), animate=False, force=True
            )

    def notify_style_update(self) -> None:
        """Forget styles of before."""
        super().notify_style_update()
        self._base = None

    def blank(self) -> Strip:
        """An empty line."""
        return Strip.blank(self.inner_width, self.base)

    def empty_line(self, y: int, sentence: str = "") -> Strip:
        """Line `y` of the empty state: a sentence in the middle, folded where the panel is narrow."""
        width = self.inner_width
        lines = _folded(sentence or self.empty, max(1, width - 2))
        index = y - max(0, (self.inner_height - len(lines)) // 2)
        if not 0 <= index < len(lines):
            return self.blank()
        pad = " " * max(0, (width - len(lines[index])) // 2)
        return Strip([Segment(fit(pad + lines[index], width), self.look("panel--muted"))], width)


def title_of(text: str) -> Content:
    """Text as a border title, which as a string would be markup to Textual."""
    return Content(one_line(text, 200))


def _folded(sentence: str, width: int) -> list[str]:
    lines = [""]
    for word in sentence.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [line for line in lines if line]
