"""The Unix socket a run listens on: made where only its user can reach it, gone when the run ends."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from engine.wire.control_place import NOTE_NAME, SUFFIX, ControlError, note_path, socket_path

BACKLOG = 16
_SWEPT = 256
"""Sockets of other runs looked at, to remove what killed ones left behind."""


@asynccontextmanager
async def listening(directory: Path) -> AsyncIterator[trio.SocketListener]:
    """The control socket of the run in `directory`, which notes its path. Raises ControlError.

    It gets its name once it listens, so that a name without a listener is always a dead one.
    """
    path = socket_path(directory)
    sweep(path.parent)
    if is_alive(path):
        raise ControlError(f"another process listens on {path}", fix="end it, then resume the run")
    endpoint = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    with endpoint:
        unnamed = path.with_name(f".{os.getpid()}-{threading.get_native_id()}{SUFFIX}")
        try:
            with suppress(FileNotFoundError):
                unnamed.unlink()
            await endpoint.bind(os.fsencode(unnamed))
            unnamed.chmod(0o600)
            endpoint.listen(BACKLOG)
            unnamed.rename(path)
            note_path(directory, path)
        except OSError as error:
            raise ControlError(
                f"cannot listen on {path}: {error.strerror}", fix="check the folder"
            ) from error
        try:
            yield trio.SocketListener(endpoint)
        finally:
            for gone in (path, directory / NOTE_NAME):
                with suppress(OSError):
                    gone.unlink()


def is_alive(path: Path) -> bool:
    """Whether somebody listens on a socket; one that nobody listens on is removed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fsencode(path))
        except ConnectionRefusedError:
            with suppress(OSError):
                path.unlink()
            return False
        except BlockingIOError:
            return True  # it has more connections waiting than it takes
        except OSError:
            return False
        return True


def sweep(folder: Path) -> None:
    """Remove sockets that killed runs left behind."""
    with suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
        for name in names[:_SWEPT]:
            if not name.startswith("."):  # one that is being made does not listen yet
                is_alive(folder / name)
