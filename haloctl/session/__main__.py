"""Entry of a session's process: `python -P -m haloctl.session FOLDER --line FD` (never typed)."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from haloctl import garbage
from haloctl.config import load_settings
from haloctl.session.process import run_session


def main() -> int:
    """Be a session until it is over; returns the exit code."""
    garbage.in_portions()
    parser = argparse.ArgumentParser(prog="python -P -m haloctl.session", description=__doc__)
    parser.add_argument("folder", type=Path, help="where this process prints, and notes where it listens")
    parser.add_argument("--line", type=int, required=True, help="socket of the front end that started it")
    parser.add_argument("--config", type=Path, default=None)
    options = parser.parse_args()
    with socket.socket(fileno=options.line) as line:
        return run_session(load_settings(options.config).settings, options.folder, line)


if __name__ == "__main__":
    sys.exit(main())
