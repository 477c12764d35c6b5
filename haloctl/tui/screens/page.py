"""What every page of a run's screen has in common."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.containers import Container
from textual.events import Resize
from textual.geometry import Size
from textual.widget import Widget

from haloctl.tui.feeds import Feeds
from haloctl.tui.model import ViewState
from haloctl.tui.room import NARROW, TALL, VERY_TALL
from haloctl.tui.screens.opened import Opened
from haloctl.tui.widgets.gantt import Gantt


class PageView(Container):
    """One page. `show` is called with the newest view while the page is seen, up to 20 times a second,
    `tick` four times a second.
    """

    FIRST: ClassVar[str] = ""
    """Selector of the widget that has the focus when the page is first seen."""
    DEFAULT_CSS = """
    PageView { height: 1fr; layout: vertical; }
    """

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(id=id)
        self.feeds = feeds
        self.seen = ViewState()
        self._focused: Widget | None = None

    def show(self, view: ViewState) -> None:
        """Bring the page up to date; cheap when nothing it shows has changed."""
        self.seen = view

    def tick(self, view: ViewState) -> None:
        """Bring up to date what need not be shown at once: rows and statistics."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A replay takes no orders, nor does a run that is over."""
        takes_orders = self.seen.link != "replay" and not self.seen.ended
        return takes_orders or action not in ("cancel_row", "restart", "requeue")

    def on_mount(self) -> None:
        """Begin with the arrangement that fits, so that nothing moves after the first paint."""
        self.fit(self.app.size)

    def on_resize(self, event: Resize) -> None:
        """Arrange anew."""
        self.fit(self.app.size)

    def fit(self, size: Size) -> None:
        """Let the style sheet know how much room there is."""
        self.set_class(size.width < NARROW, "-narrow")
        self.set_class(size.height >= TALL, "-tall")
        self.set_class(size.height >= VERY_TALL, "-very-tall")

    @on(Gantt.Selected)
    def open_span(self, event: Gantt.Selected) -> None:
        """What ran under the cursor of a timeline: its operator."""
        event.stop()
        known = {str(operator.id): operator.id for operator in self.seen.shown.operators}
        found = next((known[span.label] for span in event.spans if span.label in known), None)
        if found is not None:
            self.post_message(Opened(operator=found))

    def arrive(self) -> None:
        """The page is turned to: the focus goes where it was, or to its first widget."""
        target = self._focused if self._focused is not None and self._focused.is_mounted else None
        if target is None and self.FIRST:
            target = next(iter(self.query(self.FIRST)), None)
        if target is not None:
            target.focus(scroll_visible=False)

    def leave(self) -> None:
        """The page is left: remember what had the focus."""
        focused = self.screen.focused
        self._focused = focused if focused is not None and self in focused.ancestors else None

    def copied(self) -> str:
        """What `y` copies here; empty for nothing."""
        return ""
