"""`haloctl attach`: follow a run that is under way, from another terminal."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from haloctl import garbage, render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile
from haloctl.live_runs import find_live
from haloctl.progress_mode import Mode
from haloctl.screen_settings import load_for_screen
from haloctl.terminal import is_terminal
from haloctl.watching import tell_end, watch


def attach(
    run: Annotated[
        str | None,
        Parameter(help="A run's id, the beginning of one, or its folder; default: the newest live."),
    ] = None,
    /,
    *,
    progress: Annotated[
        Mode,
        Parameter(
            env_var="HALOCTL_PROGRESS",
            help="rich is the terminal interface, plain and json are lines on stderr; auto: what fits.",
        ),
    ] = "auto",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Follow a live run: on a terminal in the interface, else in lines to its end, with its exit code.

    Leaving (q, or Ctrl-C) does not stop the run.
    """
    on_screen = progress in ("auto", "rich") and not as_json and (progress == "rich" or is_terminal())
    settings = load_for_screen(config) if on_screen else load_settings(config).settings
    directory = find_live(settings, run)
    if on_screen:
        return watch(directory, settings)
    from haloctl.following import follow
    from haloctl.interruption import interruption
    from haloctl.process_end import UNKNOWN

    garbage.in_portions()
    with interruption(f"the run goes on; come back with: haloctl attach {directory.name}"):
        after = follow(directory, progress if progress in ("json", "none") else "plain")
    if as_json:
        render.result_json(after.report)
    tell_end(after, directory.name, UNKNOWN, report=not as_json)
    return after.code
