"""A session's own process, from its start to its end."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from engine.processor.control_socket import is_alive, listening
from engine.processor.worker_pool import open_pool
from engine.wire.control_place import ControlError, noted_path
from haloctl.session.server import SessionServer
from haloctl.session.starting import Listens
from haloctl.settings import Settings


def run_session(settings: Settings, folder: Path, line: socket.socket) -> int:
    """Be a session until it is over; says on `line` where it listens. Returns the exit code."""
    line.set_inheritable(False)
    _sweep(folder.parent)
    try:
        trio.run(_serve, settings, folder, line)
    except ControlError as error:
        _say(line, Listens(refusal=error.message, fix=error.fix or ""))
        return error.exit_code
    shutil.rmtree(folder, ignore_errors=True)  # a folder that is left tells of a session that ended badly
    return 0


async def _serve(settings: Settings, folder: Path, line: socket.socket) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with listening(folder) as listener, open_pool() as pool:
            server = SessionServer(folder.name, settings, pool, settings.run.session_idle_s)
            _say(line, Listens(socket=str(noted_path(folder))))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, signals, server)
                nursery.start_soon(_hold, trio.socket.from_stdlib_socket(line), server)
                await server.serve(listener)
                nursery.cancel_scope.cancel()


async def _watch(signals: AsyncIterator[int], server: SessionServer) -> None:
    async for _number in signals:
        server.stop()


async def _hold(line: trio.socket.SocketType, server: SessionServer) -> None:
    """Until who started the session has joined it, or is gone."""
    with suppress(OSError):
        await line.recv(1)
    server.forsake()


def _say(line: socket.socket, listens: Listens) -> None:
    """Once; a front end that is gone already does not matter."""
    with suppress(OSError):
        line.sendall(msgspec.json.encode(listens))
        line.shutdown(socket.SHUT_WR)


def _sweep(sessions: Path) -> None:
    """Remove what sessions that were killed left behind: they noted a socket that nobody listens on."""
    with suppress(OSError):
        for folder in sessions.iterdir():
            path = noted_path(folder)
            if path is not None and not is_alive(path):
                shutil.rmtree(folder, ignore_errors=True)
