"""Which runs are live, and which of them a command is about when it names none."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError
from engine.journal.runs import RunSummary, list_runs
from haloctl.run_folder import find_run, runs_folder
from haloctl.settings import Settings


def live_runs(settings: Settings) -> tuple[RunSummary, ...]:
    """Runs that a process is working on now, newest first."""
    return tuple(run for run in list_runs(runs_folder(settings)) if run.pid is not None)


def find_live(settings: Settings, name: str | None) -> Path:
    """Folder of the run called `name`, or of the newest live one. Raises ConfigError when there is none."""
    if name is not None:
        return find_run(settings, name)
    live = live_runs(settings)
    if not live:
        raise ConfigError(
            f"no run in {runs_folder(settings)} is live",
            fix="name one (`haloctl runs` lists them), or begin one: haloctl batch … --detach",
        )
    return Path(live[0].directory)
