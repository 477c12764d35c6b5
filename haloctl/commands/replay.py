"""`haloctl replay`: a run from its journal, on the screens of a live one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from haloctl.flags import ConfigFile
from haloctl.run_folder import find_run
from haloctl.screen_settings import load_for_screen
from haloctl.watching import tell_how_to_go_on


def replay(
    run: Annotated[
        str, Parameter(help="A run's id, the beginning of one, `last`, or its folder; default: last.")
    ] = "last",
    /,
    *,
    config: ConfigFile = None,
) -> int:
    """Play a finished, stopped or crashed run in the terminal: pause, step, faster, to any moment.

    A run that is under way is played up to where it is. Needs a terminal.
    """
    from haloctl.tui.replay_source import ReplaySource  # Textual takes its time to import
    from haloctl.tui.show import show_run

    settings = load_for_screen(config)
    directory = find_run(settings, run)
    left = show_run(ReplaySource(directory), settings, instead="haloctl show RUN --analyze")
    if left.signalled is not None:
        return 128 + left.signalled
    tell_how_to_go_on(directory)
    return 0
