"""`haloctl run` without arguments, from outside: a frame at once, and behind it the steps to answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Footer

from haloctl.settings import Settings
from haloctl.tui.departure import Departure
from haloctl.tui.key_order import Stands
from haloctl.tui.screens.first_run_steps import UNASKED, Steps
from haloctl.tui.terminal_app import TerminalApp

if TYPE_CHECKING:
    from haloctl.session.client import SessionClient
    from haloctl.tui.first_run_batches import Batches


class FirstRunApp(TerminalApp[Departure]):
    """Screens one after another; esc goes back a step, and what was filled in is kept.

    `begun` is called when the first step stands and what those behind it need is imported.
    """

    LEAVING = "esc goes back a step, and out of the list of workflows it leaves"

    def __init__(
        self,
        settings: Settings,
        *,
        config: Path | None = None,
        folder: Path | None = None,
        theme: str = "dark",
        keys: Mapping[str, str] | None = None,
        begun: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(theme=theme, keys=keys)
        self._settings = settings
        self._config = config
        self._folder = folder or Path.cwd()
        self._has_begun = begun
        self._joins = False

    def compose(self) -> ComposeResult:
        """The frame of the first step, which is drawn before what the step needs is imported."""
        yield Steps(0, UNASKED)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The steps begin behind the first picture."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        from haloctl.tui.first_run_journey import Journey  # the list of workflows, and numpy

        self.run_worker(Journey(self, self._settings, self._folder).go(), group="flow")

    async def on_stands(self, message: Stands) -> None:
        """Behind the first step, when that is drawn, the session starts."""
        if not self._joins:
            self._joins = True
            self.call_after_refresh(self._join)

    def _join(self) -> None:
        self.run_worker(self.session.join(), group="session")
        if self._has_begun is not None:
            self._has_begun()

    @cached_property
    def batches(self) -> Batches:
        """What is asked here; imported behind the first step, as it brings all screens and the session."""
        from haloctl.tui.first_run_batches import Batches

        return Batches(self, self._settings, self._config, self._folder)

    async def action_quit(self) -> None:
        """Leave at once; what goes on is told as to who leaves by q. The session hears of it by itself."""
        batches: Batches | None = vars(self).get("batches")  # not made for this: nothing was asked before
        self.exit(Departure() if batches is None else batches.departure())

    @property
    def session(self) -> SessionClient:
        """This person's end of the session."""
        return self.batches.session

    @property
    def finished(self) -> tuple[str, ...]:
        """Folders of the runs that are over, the first one first."""
        return self.batches.finished

    @property
    def takes_keys(self) -> bool:
        """Between two steps there is none to take a key: it is meant for the one that comes."""
        return len(self.screen_stack) > 1 and super().takes_keys
