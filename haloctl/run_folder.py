"""Finds a run by what a user typed: its id, the beginning of one, `last`, or a folder."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError
from engine.journal.folder import FILE_NAME, run_folders
from haloctl.settings import Settings
from haloctl.suggest import closest


def runs_folder(settings: Settings) -> Path:
    """Where the settings keep runs."""
    assert settings.paths.runs is not None  # filled in by load_settings
    return Path(settings.paths.runs)


def find_run(settings: Settings, name: str) -> Path:
    """Folder of the run called `name`. Raises ConfigError when there is none, or several."""
    folder = Path(name)
    if "/" in name and (folder / FILE_NAME).is_file():
        return folder
    names = [run.name for run in run_folders(runs_folder(settings))]
    if name == "last" and names:
        return runs_folder(settings) / names[0]
    found = [name] if name in names else [run for run in names if run.startswith(name)]
    if len(found) == 1:
        return runs_folder(settings) / found[0]
    if found:
        raise ConfigError(f"{name!r} fits {len(found)} runs", fix=f"one of: {', '.join(found[:8])}")
    raise ConfigError(
        f"there is no run {name!r} in {runs_folder(settings)}",
        fix=closest(name, names) if names else "`haloctl batch` makes the first one",
    )
