"""Which run a command is about when it names none: the newest that is live."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError
from engine.journal.folder import LOCK_NAME, run_folders
from engine.journal.lock import holder_of
from haloctl.run_folder import find_run, runs_folder
from haloctl.settings import Settings


def find_live(settings: Settings, name: str | None) -> Path:
    """Folder of the run called `name`, or of the newest live one. Raises ConfigError when there is none."""
    if name is not None:
        return find_run(settings, name)
    runs = runs_folder(settings)
    live = next((run for run in run_folders(runs) if holder_of(run / LOCK_NAME) is not None), None)
    if live is None:
        raise ConfigError(
            f"no run in {runs} is live",
            fix="name one (`haloctl runs` lists them), or begin one: haloctl batch … --detach",
        )
    return live
