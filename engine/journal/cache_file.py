"""The file of the result cache: made, opened and set aside by one process at a time."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APPLICATION_ID = 0x68616C63
"""`halc`."""
FILE_NAME = "results.sqlite"
BUSY_S = 0.5
_TABLE = """
CREATE TABLE IF NOT EXISTS result (
    key BLOB PRIMARY KEY, size INTEGER NOT NULL, used INTEGER NOT NULL,
    payload BLOB NOT NULL, digest BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS result_used ON result (used, size, key);
"""


@contextmanager
def setup_lock(path: Path) -> Iterator[None]:
    """Making and replacing the file is done by one process at a time."""
    fd = os.open(path.with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def inode_of(path: Path) -> int:
    """Inode number, 0 when there is no such file."""
    return path.stat().st_ino if path.exists() else 0


def set_aside(path: Path) -> None:
    """Rename a damaged file beside itself. Raises OSError."""
    path.rename(path.with_name(f"{FILE_NAME}.damaged-{time.time_ns()}"))
    for suffix in ("-wal", "-shm"):
        path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)


def connect(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error; a SQLite file of somebody else's counts as damaged."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application not in (0, APPLICATION_ID):
            raise _not_ours(path)
        connection.execute("PRAGMA synchronous=NORMAL")
        if application != APPLICATION_ID:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(f"BEGIN;{_TABLE}PRAGMA application_id={APPLICATION_ID};COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def total_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all payloads. Raises sqlite3.Error."""
    (total,) = connection.execute("SELECT coalesce(sum(size), 0) FROM result").fetchone()
    return int(total)


def _not_ours(path: Path) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(f"{path} is not a result cache")
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error
