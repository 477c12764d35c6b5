"""Where the control sockets of runs are, and who may use them: the same user, and nobody else.

`$XDG_RUNTIME_DIR/haloctl/`, else `haloctl-UID` in the system's temporary folder, never a project's folder:
Unix sockets have short paths. A run notes its socket's path in its own folder, so that a client finds it
whatever its environment says.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from engine.errors import HaloError

NOTE_NAME = "control"
"""File in the run's folder that holds the path of its socket."""
SUFFIX = ".sock"
LONGEST_PATH_BYTES = 103
"""A Unix socket's path may have 107 bytes on Linux and 103 elsewhere."""
_NAME_LENGTH = 40
_CREDENTIALS = struct.Struct("3i")


class ControlError(HaloError):
    """The control channel cannot be used; the run itself is not harmed."""

    code = "control"
    exit_code = 74


def socket_path(directory: Path, environ: dict[str, str] | None = None) -> Path:
    """Where the run in `directory` listens; makes the folder. Raises ControlError when no folder is safe."""
    resolved = str(directory.resolve()).encode("utf-8", "surrogateescape")
    name = f"{directory.name[:_NAME_LENGTH]}-{blake2b(resolved, digest_size=4).hexdigest()}{SUFFIX}"
    refused: list[str] = []
    for folder in _folders(dict(os.environ) if environ is None else environ):
        path = folder / name
        if len(os.fsencode(path)) > LONGEST_PATH_BYTES:
            refused.append(f"{folder} is too long a path")
            continue
        reason = make_private(folder)
        if reason is None:
            return path
        refused.append(reason)
    raise ControlError(
        f"no folder for the control socket: {'; '.join(refused)}",
        fix="set XDG_RUNTIME_DIR to a folder of your own with mode 0700",
    )


def _folders(environ: dict[str, str]) -> list[Path]:
    """Candidates, best first."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    found = [Path(runtime) / "haloctl"] if os.path.isabs(runtime) else []
    temporary = {tempfile.gettempdir(): None, "/tmp": None}  # noqa: S108 - made private, and checked
    return [*found, *(Path(folder) / f"haloctl-{os.getuid()}" for folder in temporary)]


def make_private(folder: Path) -> str | None:
    """Make `folder` (0700) unless it is there; why it must not be used, or None.

    What is there already must be a folder, no link, ours, and closed to everybody else.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is no folder"
    if found.st_uid != os.getuid():
        return f"{folder} belongs to user {found.st_uid}"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


class SocketOptions(Protocol):
    """Any kind of connected socket."""

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes:
        """As the standard library's."""
        ...


def peer_of(connection: SocketOptions) -> tuple[int, int]:
    """(process, user) at the other end of a Unix socket, as the kernel says it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(raw)
    return pid, uid


def is_welcome(uid: int, ours: int | None = None) -> bool:
    """Whether a peer of this user may be talked to: only our own (and nobody else, root included)."""
    return uid == (os.getuid() if ours is None else ours)


def note_path(directory: Path, path: Path) -> None:
    """Note the socket's path in the run's folder; it appears whole. Raises OSError."""
    unfinished = directory / (NOTE_NAME + ".new")
    unfinished.write_bytes(os.fsencode(path))
    unfinished.rename(directory / NOTE_NAME)


def noted_path(directory: Path) -> Path | None:
    """The socket of the run in `directory`, or None when it has never had one."""
    try:
        return Path(os.fsdecode((directory / NOTE_NAME).read_bytes()))
    except OSError:
        return None
