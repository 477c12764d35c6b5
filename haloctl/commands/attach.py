"""`haloctl attach`: follow a run that is under way, from another terminal."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from haloctl import render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile
from haloctl.following import Aftermath, follow
from haloctl.interruption import interruption
from haloctl.live_runs import find_live
from haloctl.progress import Mode
from haloctl.run_text import report_lines


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
            env_var="HALOCTL_PROGRESS", help="How to show progress on stderr: lines unless json or none."
        ),
    ] = "auto",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Follow a live run to its end, and exit with its code. Ctrl-C leaves; the run goes on."""
    directory = find_live(load_settings(config).settings, run)
    with interruption(f"the run goes on; come back with: haloctl attach {directory.name}"):
        after = follow(directory, progress if progress in ("json", "none") else "plain")
    _tell(after, directory.name, as_json)
    return after.code


def _tell(after: Aftermath, name: str, as_json: bool) -> None:
    report = after.report
    if as_json:
        render.result_json(report)
    elif report is not None:
        render.say("\n".join(report_lines(report)))
    if report is None:
        words = "the run's process is gone without a word: it was killed"
    elif report.status in ("stopped", "aborted"):
        words = f"the run was {report.status}"
    else:
        return
    render.note(f"{words}; nothing finished is lost. Go on with:\n  haloctl resume {name}")
