"""Entry of a session's process: `python -P -m haloctl.session FOLDER --told FD` (never typed)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from haloctl.config import load_settings
from haloctl.session.process import run_session


def main() -> int:
    """Be a session until it is over; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -P -m haloctl.session", description=__doc__)
    parser.add_argument("folder", type=Path, help="where this process prints, and notes where it listens")
    parser.add_argument("--told", type=int, required=True, help="descriptor that hears where it listens")
    parser.add_argument("--config", type=Path, default=None)
    options = parser.parse_args()
    return run_session(load_settings(options.config).settings, options.folder, options.told)


if __name__ == "__main__":
    sys.exit(main())
