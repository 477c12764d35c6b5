"""The commit thread: one connection, group commit, and word to whoever waits once records are durable.

A group is committed as soon as half of `GROUP_RECORDS` wait (all of them while the disk is slow) or the
oldest has waited `LINGER_S`, and holds at most `GROUP_RECORDS`. No more than `GROUP_RECORDS` node outcomes
are ever not yet durable: that, and what is in flight, is all a crash can cost.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.errors import JournalError
from engine.ir.result import NodeRecord
from engine.journal.records import Intent, JournalRecord, RunMeta
from engine.journal.schema import open_writer
from engine.journal.statements import RowWriter, payload_of

GROUP_RECORDS = 64
LINGER_S = 0.010
SLOW_COMMIT_S = 0.001
QUEUE_RECORDS = 4096
QUEUE_BYTES = 64 << 20
_Item = tuple[JournalRecord | RunMeta, bytes]


class CommitThread:
    """Owns the read-write connection. Methods may be called from any thread but `close` from only one."""

    def __init__(self, path: Path) -> None:
        """Starts the thread and opens the journal. Raises JournalError."""
        self._path = path
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0
        self._results = 0
        self._hurry = False
        self._enough = GROUP_RECORDS // 2
        self._closing = False
        self._opened = False
        self._appended = 0
        self._durable = 0
        self._oldest_at = 0.0
        self._failure: JournalError | None = None
        self._on_durable: tuple[Callable[[int], None], ...] = ()
        self._on_failure: tuple[Callable[[JournalError], None], ...] = ()
        self._thread = threading.Thread(target=self._main, name="journal", daemon=True)
        self._thread.start()
        with self._lock:
            self._settled.wait_for(lambda: self._opened or self._failure is not None)
            if self._failure is not None:
                raise self._failure

    @property
    def durable(self) -> int:
        """Sequence number up to which everything is on disk."""
        return self._durable

    @property
    def backlog(self) -> int:
        """Records appended and not yet durable."""
        return self._appended - self._durable

    @property
    def failure(self) -> JournalError | None:
        """What stopped the writer, or None."""
        return self._failure

    def append(self, record: JournalRecord | RunMeta) -> int:
        """Queue a record; returns its sequence number (from 1, in this process). See `RunStore.append`."""
        payload = payload_of(record)
        result = isinstance(record, NodeRecord)
        with self._lock:
            while self._failure is None and self._full(result):
                self._hurry = True
                self._work.notify()
                self._settled.wait()
            if self._failure is not None or self._closing:
                raise self._failure or JournalError("the journal is closed")
            if not self._queue:
                self._oldest_at = time.monotonic()
            self._queue.append((record, payload))
            self._queued_bytes += len(payload)
            self._results += result
            self._appended += 1
            self._hurry |= isinstance(record, Intent)
            if len(self._queue) == 1 or self._hurry or len(self._queue) == self._enough:
                self._work.notify()
            return self._appended

    def wait_durable(self, sequence: int, timeout_s: float | None = None) -> bool:
        """Block until `sequence` is on disk; False on time-out. Raises JournalError if it never will be."""
        with self._lock:
            if self._durable < sequence:
                self._hurry = True
                self._work.notify()
            done = self._settled.wait_for(
                lambda: self._durable >= sequence or self._failure is not None, timeout_s
            )
            if self._durable < sequence and self._failure is not None:
                raise self._failure
            return done

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call `callback(durable)` after each commit, on the writer thread; returns what ends that."""
        with self._lock:
            self._on_durable += (callback,)

        def end() -> None:
            with self._lock:
                self._on_durable = tuple(c for c in self._on_durable if c is not callback)

        return end

    def on_failure(self, callback: Callable[[JournalError], None]) -> None:
        """Call `callback(error)` once if the writer fails, on the writer thread; at once if it has."""
        with self._lock:
            self._on_failure += (callback,)
            failure = self._failure
        if failure is not None:
            callback(failure)

    def close(self) -> None:
        """Commit what is queued and close the connection; idempotent. Raises JournalError if it cannot."""
        with self._lock:
            self._closing = True
            self._work.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _full(self, result: bool) -> bool:
        if result and self._results >= GROUP_RECORDS:
            return True
        return len(self._queue) >= QUEUE_RECORDS or self._queued_bytes >= QUEUE_BYTES

    def _main(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            connection = open_writer(self._path)
            with self._lock:
                self._opened = True
                self._settled.notify_all()
            self._commit_groups(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
        except BaseException as error:  # whatever it is, nobody may believe that records are safe
            self._fail(error, connection)

    def _commit_groups(self, connection: sqlite3.Connection) -> None:
        rows = RowWriter(connection)
        while group := self._next_group():
            started = time.monotonic()
            connection.execute("BEGIN IMMEDIATE")
            for record, payload in group:
                rows.write(record, payload)
            connection.execute("COMMIT")
            slow = time.monotonic() - started > SLOW_COMMIT_S
            self._settle(group, GROUP_RECORDS if slow else GROUP_RECORDS // 2)

    def _next_group(self) -> list[_Item]:
        """Wait for a group worth committing; empty when closing and all is done."""
        with self._lock:
            while not self._queue and not self._closing:
                self._work.wait()
            while len(self._queue) < self._enough and not self._hurry and not self._closing:
                rest_s = self._oldest_at + LINGER_S - time.monotonic()
                if rest_s <= 0:
                    break
                self._work.wait(rest_s)
            group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_RECORDS))]
            self._hurry = self._hurry and bool(self._queue)
            self._oldest_at = time.monotonic()
            return group

    def _settle(self, group: list[_Item], enough: int) -> None:
        with self._lock:
            self._enough = enough
            self._durable += len(group)
            self._queued_bytes -= sum(len(payload) for _, payload in group)
            self._results -= sum(isinstance(record, NodeRecord) for record, _ in group)
            durable, callbacks = self._durable, self._on_durable
            self._settled.notify_all()
        for callback in callbacks:
            callback(durable)

    def _fail(self, error: BaseException, connection: sqlite3.Connection | None) -> None:
        failure = _as_journal_error(self._path, error)
        with self._lock:
            self._failure = failure
            self._queue.clear()
            callbacks = self._on_failure
            self._settled.notify_all()
        if connection is not None:
            with suppress(sqlite3.Error):  # the first error is the one to tell
                connection.close()
        for callback in callbacks:
            callback(failure)


def _as_journal_error(path: Path, error: BaseException) -> JournalError:
    if isinstance(error, JournalError):
        return error
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        text, fix = "the disk is full", "free some space, then resume the run"
    else:
        text, fix = f"{name or type(error).__name__}: {error}", "check the disk, then resume the run"
    failure = JournalError(f"{path}: {text}; nothing more is recorded", fix=fix)
    failure.__cause__ = error
    return failure
