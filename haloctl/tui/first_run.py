"""Opens the first-run path on a terminal, and says afterwards what was done and how to go on."""

from __future__ import annotations

from pathlib import Path

from haloctl import garbage, render
from haloctl.settings import Settings
from haloctl.terminal import borrowed, left_on_signals, require_terminal
from haloctl.tui.departure import Departure
from haloctl.tui.first_run_app import FirstRunApp


def open_first_run(settings: Settings, config: Path | None) -> int:
    """From choosing a workflow to answers, until the person leaves. Returns the exit code.

    Raises ConfigError without a terminal.
    """
    require_terminal("haloctl batch WORKFLOW -i TABLE -o ANSWERS")
    tui = settings.tui
    with garbage.on_a_screen() as begun:
        app = FirstRunApp(settings, config=config, theme=tui.theme, keys=tui.keys, begun=begun)
        with borrowed(), left_on_signals(app.leave_by_signal):
            app.run()
    signalled = app.ended_by("the terminal interface failed; runs that began go on without it")
    if signalled is not None:
        return 128 + signalled
    left = app.return_value or Departure()
    _tell(left)
    return left.code


def _tell(left: Departure) -> None:
    for directory in left.finished:
        name = Path(directory).name
        render.note(f"run {name} is done: haloctl show {name}")
    if left.goes_on:
        name = Path(left.goes_on).name
        render.note(f"run {name} goes on without you; come back with: haloctl attach {name}")
