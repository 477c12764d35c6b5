"""What the screens before a run have in common: one background, and help on the keys of this very place."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding

from haloctl.tui.key_order import AwaitedScreen
from haloctl.tui.screens.dialogs import KeysHelp, help_lines

Result = TypeVar("Result")


HELP = Binding("f1,question_mark", "keys", "Keys", id="step.keys", tooltip="What keys mean here")
"""For each screen's own bindings, behind what the screen is there for."""


class StepScreen(AwaitedScreen[Result]):
    """A step on the way to a run. It stands when it is filled in: keys go on where the step before ended."""

    DEFAULT_CSS = """
    StepScreen { layout: vertical; background: $background; }
    StepScreen Footer { background: $panel; }
    """

    def on_screen_resume(self) -> None:
        """Comes behind the beginning of the screen, whatever that does."""
        self.stand()

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Leave with a result. What lies over it, such as help, goes first: Textual pops what is on top."""
        while self in self.app.screen_stack and not self.is_active:
            self.app.pop_screen()
        return super().dismiss(result)

    def action_keys(self) -> None:
        """What keys mean here."""
        self.app.push_screen(KeysHelp(help_lines(self.active_bindings.values())))
