"""How a front end starts a session in a process of its own. Quick to import: a screen waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.ir.ids import Record
from haloctl.session.finding import fingerprint
from haloctl.settings import Settings

LOG_NAME = "log"


class Listens(Record, frozen=True, kw_only=True):
    """What a session's process says once, on the descriptor it was given: it listens, or why it does not."""

    socket: str = ""
    refusal: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Started:
    """A session's process as its front end knows it. `told` is the descriptor that will say `Listens`."""

    popen: subprocess.Popen[bytes]
    log: Path
    told: int

    def wait_listens(self) -> Listens:
        """Blocks until the session listens, or cannot. Called once; never raises for a session that died."""
        with os.fdopen(self.told, "rb") as stream:
            text = stream.read()
        try:
            return msgspec.json.decode(text, type=Listens)
        except msgspec.DecodeError:
            words = f"the session ended before it listened: see {self.log}"
            return Listens(refusal=words, fix="`haloctl doctor` looks for what is missing")


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
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", "haloctl.session", str(folder), "--told", str(write_end)]
    command += [] if config is None else ["--config", str(config)]
    try:
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write_end,),
                start_new_session=True,
                env=own_environment(),
            )
    except OSError:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    return Started(popen, log, read_end)
