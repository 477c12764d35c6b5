"""The terminal application around a run's screen: themes, the user's keys, and leaving in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from engine.errors import ConfigError
from haloctl.suggest import closest
from haloctl.tui.keymap import normalised
from haloctl.tui.model import ViewState
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.source import Source
from haloctl.tui.themes import DARK, LIGHT, THEMES


class RunApp(App[ViewState]):
    """One run on the whole terminal. Its result is the last view; None when a signal ended it.

    Raises ConfigError for a theme that is not there, and for keys of bindings that are not.
    """

    TITLE = "haloctl"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupted", "Leave?", id="app.interrupted", show=False, system=True),
    ]

    def __init__(
        self,
        source: Source,
        *,
        theme: str = "dark",
        keys: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._source = source
        self._clock = clock
        self.signalled: int | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        for known in THEMES:
            self.register_theme(known)
        theme = {"dark": DARK.name, "light": LIGHT.name}.get(theme, theme)
        if theme not in self.available_themes:
            raise ConfigError(f"[tui] there is no theme {theme!r}", fix=closest(theme, self.available_themes))
        self.theme = theme
        self.set_keymap(normalised(keys or {}))

    def on_mount(self) -> None:
        """The run's screen is all there is."""
        self._home = asyncio.get_running_loop()
        self.push_screen(RunScreen(self._source, self._clock), callback=self.exit)

    def leave_by_signal(self, number: int) -> None:
        """End because of a signal; safe to call from a signal handler."""
        self.signalled = number
        if self._home is not None:
            self._home.call_soon_threadsafe(self.exit)

    def action_interrupted(self) -> None:
        """Ctrl-C is a habit; what it should mean here is asked for by other keys."""
        self.notify("q leaves, the run goes on; c cancels the run", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action that is possible now, with the tooltip of its key."""
        yield from super().get_system_commands(screen)
        seen = set()
        for found in screen.active_bindings.values():
            binding = found.binding
            if binding.system or not binding.description or not found.enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            yield SystemCommand(
                binding.description,
                binding.tooltip or binding.description,
                lambda found=found: self.run_worker(self.run_action(found.binding.action, found.node)),
            )
