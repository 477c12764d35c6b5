"""The panel under the status line that is there only when there is something to say."""

from __future__ import annotations

from haloctl.tui.model import ViewState
from haloctl.tui.projection.notice import notice
from haloctl.tui.screens.text_panel import TextPanel


class NoticePanel(TextPanel, can_focus=False):
    """How the view stands to its run, where that is not plainly well."""

    DEFAULT_CSS = """
    NoticePanel { height: auto; max-height: 50%; display: none; }
    NoticePanel.warn { border: round $warning; border-title-color: $warning; }
    NoticePanel.bad { border: round $error; border-title-color: $error; }
    NoticePanel.good { border: round $success; border-title-color: $success; }
    """

    def show_view(self, view: ViewState) -> None:
        """Appear with what must be said, or go away."""
        title, tone, lines = notice(view)
        self.display = bool(lines)
        if not lines:
            return
        self.border_title = title
        for name in ("good", "warn", "bad", "busy"):
            self.set_class(tone == name, name)
        self.show(lines)
        height = len(lines) + 2
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
