"""How a front end starts a session in a process of its own. Quick to import: a screen waits for it."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.ir.ids import Record
from haloctl.session.finding import fingerprint
from haloctl.settings import Settings

LOG_NAME = "log"
_READ_BYTES = 1 << 16


class Listens(Record, frozen=True, kw_only=True):
    """What a session's process says once, on the line it was given: it listens, or why it does not."""

    socket: str = ""
    refusal: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Started:
    """A session's process as its front end knows it, and the line to it.

    `Listens` comes on the line. While this end is held the session waits to be joined; once it is let go of,
    or its holder is gone, a session that nobody has joined ends.
    """

    popen: subprocess.Popen[bytes]
    log: Path
    line: socket.socket

    def wait_listens(self) -> Listens:
        """Blocks until the session listens, cannot, or was let go of. Called once; raises nothing."""
        text = b""
        with suppress(OSError):
            while data := self.line.recv(_READ_BYTES):
                text += data
        try:
            return msgspec.json.decode(text, type=Listens)
        except msgspec.DecodeError:
            words = f"the session ended before it listened: see {self.log}"
            return Listens(refusal=words, fix="`haloctl doctor` looks for what is missing")

    def let_go(self) -> None:
        """It was joined, or will not be. Wakes who waits in `wait_listens`; may be called again."""
        with suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)
        self.line.close()


def sessions_folder(settings: Settings) -> Path:
    """Where sessions have their folders."""
    from haloctl.placement import cache_folder  # takes trio along, which a first screen need not

    return cache_folder(settings) / "sessions"


def start_session(settings: Settings, config: Path | None = None) -> Started:
    """Start a session in a process of its own, which no key pressed here reaches. Raises OSError."""
    from haloctl.own_process import own_environment

    folder = sessions_folder(settings) / f"{fingerprint(settings)}-{uuid.uuid4().hex[:12]}"
    folder.mkdir(mode=0o700, parents=True)
    log = folder / LOG_NAME
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", "-m", "haloctl.session", str(folder), "--line", str(theirs.fileno())]
    command += [] if config is None else ["--config", str(config)]
    try:
        with theirs, log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=own_environment(),
            )
    except OSError:
        ours.close()
        raise
    return Started(popen, log, ours)
