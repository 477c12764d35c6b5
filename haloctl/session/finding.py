"""Sessions that still live and that this front end could have started itself: they are joined, not doubled.

The name of a session's folder begins with what decided how it behaves: the settings, the folder and the
environment it was started in, and the version. Whoever differs in any of them starts a session of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from engine.wire.control_place import noted_path
from haloctl import __version__
from haloctl.settings import Settings

OF_A_TERMINAL = (
    "COLORTERM",
    "COLUMNS",
    "GPG_TTY",
    "LINES",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "STY",
    "TTY",
    "WINDOWID",
    "_",
)
OF_TERMINALS = (
    "ITERM_",
    "KITTY_",
    "KONSOLE_",
    "SSH_",
    "TERM",
    "TMUX",
    "VTE_",
    "WEZTERM_",
    "WT_",
    "XDG_SESSION_",
)
"""Variables, and beginnings of names of variables, that tell terminals apart and change nothing of a run."""


def fingerprint(settings: Settings, environ: Mapping[str, str] | None = None) -> str:
    """What two front ends must have in common to use one session, as 16 hexadecimal digits."""
    environ = os.environ if environ is None else environ
    of_runs = sorted(
        (os.fsencode(name), os.fsencode(value))
        for name, value in environ.items()
        if name not in OF_A_TERMINAL and not name.startswith(OF_TERMINALS)
    )
    decisive = (__version__, os.getcwd(), settings, of_runs)
    return blake2b(msgspec.msgpack.encode(decisive), digest_size=8).hexdigest()


def find_sessions(sessions: Path, mark: str) -> tuple[Path, ...]:
    """Sockets of sessions below `sessions` that have this fingerprint, newest first; any may be dead."""
    try:
        folders = sorted(sessions.glob(f"{mark}-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    except OSError:
        return ()
    return tuple(path for folder in folders if (path := noted_path(folder)) is not None)
