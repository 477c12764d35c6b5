"""Tables of a run's journal, and how its one writing connection and its readers are opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from engine.errors import JournalError
from engine.journal.folder import FILE_NAME as FILE_NAME

APPLICATION_ID = 0x68616C6F
"""`halo`, in the header of the file: tells our journals from other SQLite files."""
SCHEMA_VERSION = 1
DAMAGE = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises on a damaged file: its messages quote bytes of the file, which may not decode."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, payload BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE query (
    idx INTEGER PRIMARY KEY, id TEXT NOT NULL, workflow TEXT NOT NULL, status TEXT NOT NULL,
    payload BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE op (
    seq INTEGER PRIMARY KEY, key BLOB NOT NULL, kind INTEGER NOT NULL, node INTEGER NOT NULL,
    operator TEXT NOT NULL, same_as INTEGER, payload BLOB, digest BLOB NOT NULL);
CREATE UNIQUE INDEX op_key ON op (key, kind);
CREATE TABLE intent (key BLOB PRIMARY KEY, payload BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE crash (seq INTEGER PRIMARY KEY, key BLOB NOT NULL, payload BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE emit (
    idx INTEGER PRIMARY KEY, off INTEGER NOT NULL, len INTEGER NOT NULL, crc INTEGER NOT NULL,
    digest BLOB NOT NULL);
CREATE TABLE event (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE plan (
    seq INTEGER PRIMARY KEY, win INTEGER NOT NULL, payload BLOB NOT NULL, digest BLOB NOT NULL);
"""


def open_writer(path: Path) -> sqlite3.Connection:
    """The one read-write connection: WAL, every commit forced to disk. Belongs to the calling thread.

    Raises sqlite3.Error, and JournalError when the file is not a journal this release can write.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        check_header(connection, path)
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise JournalError(
                f"{path}: no write-ahead log here (journal mode {mode})", fix="use a local disk"
            )
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=4096")  # 16 MiB: fewer checkpoints, quick recovery
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute("PRAGMA cell_size_check=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def create_file(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a new journal file with what `fill` inserts; it appears complete or not at all.

    Raises JournalError if there is one already, sqlite3.Error and OSError on I/O.
    """
    if path.exists():
        raise JournalError(f"{path} exists already", fix="resume that run, or choose another run directory")
    unfinished = path.with_name(path.name + ".new")
    for suffix in ("", "-journal", "-wal", "-shm"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.executescript("BEGIN;" + TABLES)
        fill(connection)
        connection.execute("COMMIT")
        # Now rather than on opening: a kill within the change leaves what a reader may not roll back.
        connection.execute("PRAGMA journal_mode=WAL")
    unfinished.rename(path)


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; works while another process writes. May be used from any one thread at a time.

    Raises JournalError when the file is missing, foreign, corrupt or newer than this release.
    """
    if not path.is_file():
        raise JournalError(
            f"{path.parent} holds no run (no {path.name})", fix="`haloctl runs` lists the runs"
        )
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.resolve()))}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        check_header(connection, path)
        connection.execute("PRAGMA cell_size_check=ON")
    except DAMAGE as error:
        raise corrupt(path, error) from error
    return connection


def check_header(connection: sqlite3.Connection, path: Path) -> None:
    """Raises JournalError unless the file is a journal of a version known here."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is not a haloctl journal", fix="name a run directory made by haloctl")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer haloctl: journal version {version}, not {SCHEMA_VERSION}",
            fix="upgrade haloctl, then resume",
        )


def corrupt(path: Path, error: Exception) -> JournalError:
    """The error for a journal SQLite cannot read."""
    return JournalError(
        f"{path}: {error}", fix="restore the run directory from a backup, or start the batch as a new run"
    )
