"""What every application on the terminal has: the themes, the user's keys, a palette, leaving on signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final, TypeVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen

from engine.errors import InvariantBroken
from haloctl.terminal import hung_up
from haloctl.tui.cells import one_line
from haloctl.tui.colourless import colourless
from haloctl.tui.key_order import OrderedKeys
from haloctl.tui.keymap import normalised
from haloctl.tui.themes import THEMES, theme_name

Result = TypeVar("Result")
_NOTE_CELLS: Final = 400
"""Of a line of a notification: it is no place to read a whole text."""


class TerminalApp(OrderedKeys[Result]):
    """An application of haloctl's. Its result is None when a signal ended it.

    Raises ConfigError for a theme that is not there, and for keys of bindings that are not.
    """

    TITLE = "haloctl"
    ENABLE_COMMAND_PALETTE = True
    LEAVING: ClassVar[str] = "q leaves"
    """What Ctrl-C, which is a habit, says instead."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+c",
            "interrupted",
            "Leave?",
            id="app.interrupted",
            show=False,
            tooltip="Say which key leaves",
            system=True,
        ),
        # Textual would add one without an id, which neither the help nor the user's keys know.
        Binding(
            "ctrl+p",
            "command_palette",
            "palette",
            id="app.palette",
            show=False,
            priority=True,
            tooltip="Find by its name what can be done here",
        ),
    ]

    def __init__(self, *, theme: str = "dark", keys: Mapping[str, str] | None = None) -> None:
        super().__init__()
        if self.no_color:
            self._filters[:] = colourless(self._filters)
        self.signalled: int | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme_name(theme)
        self.set_keymap(normalised(keys or {}))

    def on_mount(self) -> None:
        """From now on a signal can end it."""
        self._home = asyncio.get_running_loop()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Say something that goes away again; what it quotes of rows and runs becomes harmless here."""
        told = "\n".join(one_line(text, _NOTE_CELLS) for text in message.splitlines())
        super().notify(told, title=title, severity=severity, timeout=timeout, markup=markup)

    def leave_by_signal(self, number: int) -> None:
        """End because of a signal; safe to call from a signal handler."""
        self.signalled = number
        if self._home is not None:
            self._home.call_soon_threadsafe(self.exit)

    def ended_by(self, failed: str) -> int | None:
        """The signal that ended it, if one did. A terminal that is gone refuses drawing before it signals.

        Raises InvariantBroken, with `failed`, where the interface itself failed.
        """
        if self.signalled is None and hung_up():
            self.signalled = signal.SIGHUP
        if self.return_code == 1 and self.signalled is None:
            raise InvariantBroken(failed)
        return self.signalled

    def action_interrupted(self) -> None:
        """What Ctrl-C should mean here is asked for by other keys."""
        self.notify(getattr(self.screen, "leaving", self.LEAVING), markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action that is possible now, with the tooltip of its key."""
        # Here, as it comes with all dialogs, of which no first paint needs one.
        from haloctl.tui.screens.dialogs import key_words

        for command in super().get_system_commands(screen):
            if command.title != "Keys":  # of Textual's own keys; ours has those that mean something here
                yield command
        seen = set()
        for found in screen.active_bindings.values():
            binding, what = found.binding, (found.node, found.binding.action)
            if not binding.id or binding.system or not binding.description or not found.enabled:
                continue
            if what in seen or binding.action == "command_palette":
                continue
            seen.add(what)
            yield SystemCommand(
                binding.description,
                f"{key_words(binding.key)} · {binding.tooltip or binding.description}",
                lambda found=found: self.run_worker(self.run_action(found.binding.action, found.node)),
            )
