"""A panel of lines that are folded to its width, whatever that comes to be."""

from __future__ import annotations

from collections.abc import Callable

from textual import events

from haloctl.tui.pieces import Line
from haloctl.tui.screens.text_panel import TextPanel

Fold = Callable[[int], tuple[Line, ...]]
_LEAST = 20


class FoldingPanel(TextPanel):
    """Shows what a function makes of the width there is. `hugs`: as high as its lines, where CSS lets it."""

    DEFAULT_CSS = """
    FoldingPanel { height: 1fr; }
    """

    def __init__(
        self, *, title: str = "", empty: str = "", id: str | None = None, hugs: bool = False
    ) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self._hugs = hugs
        self._fold: Fold = lambda _width: ()

    def show_folded(self, fold: Fold) -> None:
        """Show other lines, from the top."""
        self._fold = fold
        self._refold()
        self.scroll_home(animate=False)

    def on_resize(self, event: events.Resize) -> None:
        """Fold anew."""
        self._refold()

    def _refold(self) -> None:
        lines = self._fold(max(_LEAST, self.inner_width))
        self.show(lines)
        if self._hugs:
            self.styles.height = max(1, len(lines)) + 2
