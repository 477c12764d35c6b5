"""Results kept across runs, by content key: only successes, bounded in size, never a reason to fail."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from engine.errors import JournalError
from engine.ir.ids import ContentKey
from engine.ir.result import Completed
from engine.journal.cache_file import FILE_NAME, connect, inode_of, set_aside, setup_lock, total_bytes
from engine.journal.codec import Unpacker, compress, pack, seal
from engine.journal.schema import DAMAGE
from engine.journal.statements import key_bytes

DEFAULT_BYTES = 1 << 30
PENDING_RESULTS = 64
_UNPACK: Unpacker[Completed] = Unpacker(Completed)


class ResultCache:
    """A content-addressed cache in one SQLite file; thread-safe, and safe for several processes at once.

    No method raises for a broken, full or busy cache: it says so through `warn`, once, and then misses. A
    damaged file is set aside and a new one begun. Puts are written 64 at a time, on `flush` and on
    `close`; without a forced write, for a lost entry is only computed again. Once the payloads pass
    `limit_bytes`, the least recently used go.
    """

    def __init__(
        self,
        directory: Path,
        *,
        limit_bytes: int = DEFAULT_BYTES,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._path = directory / FILE_NAME
        self._limit_bytes = limit_bytes
        self._warn = warn
        self._warned = False
        self._lock = threading.Lock()
        self._pending: dict[bytes, bytes] = {}
        self._touched: set[bytes] = set()
        self._total_bytes = 0
        self._inode = 0
        self._connection: sqlite3.Connection | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)
            return
        self._open()

    def get(self, key: ContentKey) -> Completed | None:
        """The success stored under `key`, or None."""
        name = key_bytes(key)
        with self._lock:
            payload = self._pending.get(name)
            try:
                if payload is None:
                    payload = self._select(name)
                return None if payload is None else _UNPACK(payload)
            except JournalError as error:
                self._delete(name)
                self._tell(error)
            except DAMAGE as error:
                self._recover(error)
        return None

    def put(self, key: ContentKey, completed: Completed) -> None:
        """Store a success; the first one under a key stays."""
        with self._lock:
            if self._connection is None:
                return
            self._pending.setdefault(key_bytes(key), compress(pack(completed)))
            if len(self._pending) >= PENDING_RESULTS:
                self._flush()

    def flush(self) -> None:
        """Write what is pending."""
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Write what is pending and close; idempotent."""
        with self._lock:
            self._flush()
            self._disconnect()

    def __enter__(self) -> ResultCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        try:
            with setup_lock(self._path):
                self._inode = inode_of(self._path)
                self._connection = connect(self._path)
                self._inode = inode_of(self._path)
            self._total_bytes = total_bytes(self._connection)
        except DAMAGE as error:
            self._recover(error)
        except OSError as error:
            self._give_up(error)

    def _select(self, name: bytes) -> bytes | None:
        if self._connection is None:
            return None
        statement = "SELECT payload, digest FROM result WHERE key = ?"
        row = self._connection.execute(statement, (name,)).fetchone()
        if row is None:
            return None
        payload, digest = row
        if not isinstance(payload, bytes) or seal("cache", name, payload) != digest:
            raise JournalError("an entry does not match its digest")
        self._touched.add(name)
        return payload

    def _flush(self) -> None:
        """Also notes which entries were used, and makes room."""
        if self._connection is None or not (self._pending or self._touched):
            return
        now = time.time_ns() // 1_000_000
        rows = [(n, len(p), now, p, seal("cache", n, p)) for n, p in self._pending.items()]
        try:
            with self._connection as connection:  # one transaction, rolled back on an error
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT OR IGNORE INTO result VALUES (?, ?, ?, ?, ?)", rows)
                touched = [(now, name) for name in self._touched]
                connection.executemany("UPDATE result SET used = ? WHERE key = ?", touched)
                self._total_bytes += sum(map(len, self._pending.values()))
                if self._total_bytes > self._limit_bytes:
                    self._evict(connection)
        except DAMAGE as error:
            self._recover(error)
        self._pending.clear()
        self._touched.clear()

    def _evict(self, connection: sqlite3.Connection) -> None:
        self._total_bytes = total_bytes(connection)  # other processes write too
        goal = self._limit_bytes - self._limit_bytes // 10  # some room, so that not every flush has to look
        if self._total_bytes <= self._limit_bytes:
            return
        for name, size in connection.execute("SELECT key, size FROM result ORDER BY used").fetchall():
            if self._total_bytes <= goal:
                break
            connection.execute("DELETE FROM result WHERE key = ?", (name,))
            self._total_bytes -= size

    def _delete(self, name: bytes) -> None:
        self._pending.pop(name, None)
        if self._connection is not None:
            with suppress(*DAMAGE):
                self._connection.execute("DELETE FROM result WHERE key = ?", (name,))

    def _recover(self, error: Exception) -> None:
        """A damaged file is set aside; for any other error the cache is merely off or late."""
        self._tell(error)
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            return
        self._disconnect()
        try:
            with setup_lock(self._path):
                if inode_of(self._path) == self._inode:  # else another process has set it aside already
                    set_aside(self._path)
                self._connection = connect(self._path)
                self._inode = inode_of(self._path)
            self._total_bytes = total_bytes(self._connection)
        except (OSError, *DAMAGE) as again:
            self._give_up(again)

    def _give_up(self, error: Exception) -> None:
        self._tell(error)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(*DAMAGE):
                self._connection.close()
            self._connection = None

    def _tell(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"result cache {self._path}: {error}; the run goes on without it where needed")
