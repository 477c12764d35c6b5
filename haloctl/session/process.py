"""A session's own process: how a front end starts it, and what it does from its start to its end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import trio

from engine.ir.ids import Record
from engine.processor.control_socket import is_alive, listening
from engine.processor.worker_pool import open_pool
from engine.wire.control_place import ControlError, noted_path
from haloctl.own_process import own_environment
from haloctl.placement import cache_folder
from haloctl.session.server import SessionServer
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


def start_session(settings: Settings, config: Path | None = None) -> Started:
    """Start a session in a process of its own, which no key pressed here reaches. Raises OSError."""
    sessions = cache_folder(settings) / "sessions"
    _sweep(sessions)
    folder = sessions / uuid.uuid4().hex[:12]
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


def _sweep(sessions: Path) -> None:
    """Remove what sessions that were killed left behind: they noted a socket that nobody listens on."""
    with suppress(OSError):
        for folder in sessions.iterdir():
            path = noted_path(folder)
            if path is not None and not is_alive(path):
                shutil.rmtree(folder, ignore_errors=True)


def run_session(settings: Settings, folder: Path, told: int) -> int:
    """Be a session until it is over; says on `told` where it listens. Returns the exit code."""
    os.set_inheritable(told, False)
    with os.fdopen(told, "wb") as stream:
        try:
            trio.run(_serve, settings, folder, stream)
        except ControlError as error:
            _say(stream, Listens(refusal=error.message, fix=error.fix or ""))
            return error.exit_code
    shutil.rmtree(folder, ignore_errors=True)  # a folder that is left tells of a session that ended badly
    return 0


async def _serve(settings: Settings, folder: Path, told: BinaryIO) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with listening(folder) as listener, open_pool() as pool:
            server = SessionServer(folder.name, settings, pool, settings.run.session_idle_s)
            _say(told, Listens(socket=str(noted_path(folder))))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, signals, server)
                await server.serve(listener)
                nursery.cancel_scope.cancel()


async def _watch(signals: AsyncIterator[int], server: SessionServer) -> None:
    async for _number in signals:
        server.stop()


def _say(told: BinaryIO, listens: Listens) -> None:
    """Once; a front end that is gone already does not matter."""
    with suppress(OSError):
        told.write(msgspec.json.encode(listens))
        told.close()
