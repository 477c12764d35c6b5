"""The terminal application around one run's screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from haloctl.tui.model import ViewState
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.source import Source
from haloctl.tui.terminal_app import TerminalApp


class RunApp(TerminalApp[ViewState]):
    """One run on the whole terminal. Its result is the last view; None when a signal ended it.

    `begun` is called when the first page stands.
    """

    def __init__(
        self,
        source: Source,
        *,
        theme: str = "dark",
        keys: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        begun: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(theme=theme, keys=keys)
        self._source = source
        self._clock = clock
        self._begun = begun

    def on_mount(self) -> None:
        """The run's screen is all there is."""
        self.push_screen(RunScreen(self._source, self._clock, begun=self._begun), callback=self.exit)

    async def action_quit(self) -> None:
        """Leave at once, from dialogs too; what is said afterwards is what it is for who leaves by q."""
        shown = next((screen for screen in self.screen_stack if isinstance(screen, RunScreen)), None)
        self.exit(None if shown is None else shown.view)
