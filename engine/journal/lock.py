"""One coordinator a run: `flock` on a file in the run directory, on a local disk only."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.errors import JournalError, RunLocked

_KERNEL = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs", "beegfs")
_FUSE = ("glusterfs", "sshfs", "s3fs", "rclone", "ceph", "juicefs", "gcsfuse")
NETWORK_FILESYSTEMS = frozenset((*_KERNEL, *(f"fuse.{name}" for name in _FUSE)))
"""Here `flock` and SQLite's shared memory do not hold across machines."""

MOUNTS = Path("/proc/self/mountinfo")


class RunLock:
    """Held from construction to `close`, or until the process ends in whatever way.

    The file stays: removing it would let two processes lock two files of one name. Raises RunLocked,
    naming the holder, and JournalError when the directory cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"cannot open {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise RunLocked(
                f"run {path.parent.name} is held by process {holder or 'unknown'}",
                fix="wait for it, or stop it with Ctrl-C or SIGTERM; then resume",
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let go; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def holder_of(path: Path) -> int | None:
    """Process id of whoever holds the lock file, or None; takes nothing. Unreadable files count as free."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
    return None


def last_holder(path: Path) -> int | None:
    """Process id of whoever holds the lock file, or held it last; None where that cannot be read."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def require_local_disk(directory: Path, mounts: Path = MOUNTS) -> None:
    """Raises JournalError when `directory` lies on a network filesystem; silent where that is unknowable."""
    kind = filesystem_of(directory.resolve(), mounts)
    if kind in NETWORK_FILESYSTEMS:
        raise JournalError(
            f"{directory} is on a network filesystem ({kind}), where a journal is not safe",
            fix="put runs on a local disk: --runs-dir, or runs_dir in haloctl.toml",
        )


def filesystem_of(directory: Path, mounts: Path = MOUNTS) -> str:
    """Type of the filesystem that holds `directory` (absolute), or "" when unknown."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        mount = _unescape(fields[4])
        if directory.is_relative_to(mount) and len(mount) >= best:
            best, kind = len(mount), right.split(" ")[0]
    return kind


def _unescape(field: str) -> str:
    """mountinfo writes space, tab, newline and backslash as octal."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field
