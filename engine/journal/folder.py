"""What stands in the folder of a run, and which folders are runs. Opens no journal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE_NAME: Final = "journal.sqlite"
LOCK_NAME: Final = "lock"


def run_folders(runs_dir: Path) -> tuple[Path, ...]:
    """Folder of every run below `runs_dir`, newest first; empty when there is no such directory."""
    try:
        return tuple(sorted((p for p in runs_dir.iterdir() if (p / FILE_NAME).is_file()), reverse=True))
    except OSError:
        return ()
