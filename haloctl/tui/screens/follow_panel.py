"""A text panel that stays at its end as lines come, until a person scrolls up to read."""

from __future__ import annotations

from textual import events

from haloctl.tui.pieces import Line
from haloctl.tui.screens.text_panel import TextPanel


class FollowPanel(TextPanel):
    """Whoever scrolls up wants to read: following stops. At the end it goes on."""

    def __init__(self, *, title: str = "", empty: str = "", id: str | None = None) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self.follows = True

    def show(self, lines: tuple[Line, ...]) -> None:
        """Replace what is shown, and stay at the end while following."""
        super().show(lines)
        self.keep_up()

    def keep_up(self) -> None:
        """Scroll to the end if that is where this should be; harmless when it is there already."""
        if self.follows and self.scroll_offset.y < self.max_scroll_y:
            self.scroll_end(animate=False)

    def _note_place(self) -> None:
        self.follows = self.scroll_offset.y >= self.max_scroll_y

    def action_scroll_up(self) -> None:
        """Up a line."""
        self.follows = False
        super().action_scroll_up()

    def action_page_up(self) -> None:
        """Up a page."""
        self.follows = False
        super().action_page_up()

    def action_scroll_home(self) -> None:
        """To the first line."""
        self.follows = False
        super().action_scroll_home()

    def action_scroll_end(self) -> None:
        """To the last line, and stay there."""
        self.follows = True
        super().action_scroll_end()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel, upward."""
        self.follows = False

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel, downward: at the end following goes on."""
        self.set_timer(0.2, self._note_place)
