"""The run store: a directory with one run's journal, its lock, its output spool and its workers' logs.

<runs_dir>/<run id>/   0700
    journal.sqlite     what happened (`schema.py`)
    lock               flock of the coordinator
    spool.*            rows on their way to Parquet or a stream (`output.py`)
    workers/*.log      stderr of worker processes
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from engine.errors import JournalError
from engine.ir.event import Event
from engine.ir.ids import RunId
from engine.ir.result import RunReport
from engine.journal.lock import RunLock, require_local_disk
from engine.journal.records import EventBatch, ForgetFailed, JournalRecord, RunMeta, RunState, StatusRecord
from engine.journal.resume import Recovered
from engine.journal.schema import DAMAGE, FILE_NAME, corrupt, create_file, open_reader
from engine.journal.statements import RowWriter, payload_of
from engine.journal.view import LOCK_NAME, RunView
from engine.journal.writer import CommitThread

_ALPHABET = "0123456789abcdefghijkmnpqrstuvwxyz"


def new_run_id(now: datetime | None = None) -> RunId:
    """A run id that sorts by time and does not repeat: `20261121-122501-k3f9` (UTC)."""
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return RunId(f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{suffix}")


class RunStore:
    """An open run, held by this process alone; made by `create` or `open`. Thread-safe but for `close`."""

    def __init__(self, directory: Path, lock: RunLock, writer: CommitThread) -> None:
        self.directory = directory
        self._lock = lock
        self._writer = writer

    @classmethod
    def create(cls, directory: Path, meta: RunMeta) -> RunStore:
        """A new run in `directory`, which is made (0700) with its parents; durable when this returns.

        Raises RunLocked, and JournalError when there is a run already, or the disk is remote or refuses.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)  # it may have been there already
            (directory / "workers").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise JournalError(f"cannot make {directory}: {error.strerror}", fix="set runs_dir") from error
        require_local_disk(directory)
        lock = RunLock(directory / LOCK_NAME)
        try:
            create_file(directory / FILE_NAME, lambda connection: _describe(connection, meta))
            sync_directory(directory)
            sync_directory(directory.parent)
            store = cls(directory, lock, CommitThread(directory / FILE_NAME))
        except (sqlite3.Error, OSError) as error:
            lock.close()
            raise corrupt(directory / FILE_NAME, error) from error
        except BaseException:
            lock.close()
            raise
        return store

    @classmethod
    def open(cls, directory: Path) -> RunStore:
        """Take over an existing run, to resume it.

        Raises RunLocked (exit 73) naming the holder, JournalError (exit 74) when it is missing, foreign,
        damaged or on a remote disk.
        """
        if not (directory / FILE_NAME).is_file():
            raise JournalError(f"{directory} holds no run", fix="`haloctl runs` lists the runs")
        require_local_disk(directory)
        lock = RunLock(directory / LOCK_NAME)
        try:
            check_structure(directory / FILE_NAME)
            store = cls(directory, lock, CommitThread(directory / FILE_NAME))
            with RunView(directory) as view:
                view.meta()
            store.append(StatusRecord(status="running"))
        except BaseException:
            lock.close()
            raise
        return store

    @staticmethod
    def read(directory: Path) -> RunView:
        """A read-only view of a run, whoever holds it. Raises JournalError."""
        return RunView(directory)

    def meta(self) -> RunMeta:
        """What the run is. Raises JournalError."""
        with RunView(self.directory) as view:
            return view.meta()

    def recovered(self) -> Recovered:
        """What had been achieved before; take it before appending. Raises JournalError."""
        self.flush()
        return Recovered(RunView(self.directory))

    def append(self, record: JournalRecord) -> int:
        """Record a fact; returns its sequence number within this process, counted from 1.

        Returns at once, unless 64 node outcomes are not yet durable, or 4096 records or 64 MiB wait: then
        it **blocks** until the disk has caught up (`backlog` tells beforehand). Raises JournalError for
        ever after the disk failed once, and ValueError for a node without a key.
        """
        return self._writer.append(record)

    def append_events(self, events: tuple[Event, ...]) -> int:
        """Record events, in order; give many at once, they are packed together."""
        return self._writer.append(EventBatch(events=events))

    def set_status(
        self, status: RunState, report: RunReport | None = None, *, exit_code: int | None = None
    ) -> None:
        """Record how the run stands; durable when this returns."""
        self.wait_durable(self.append(StatusRecord(status=status, report=report, exit_code=exit_code)))

    def forget_failed(self) -> None:
        """Let failed nodes and rows run again (`resume --retry-failed`); durable when this returns.

        Call it before `recovered` and before the output is opened: the output is written anew, so that a
        row that succeeds now takes the place of its failure.
        """
        self.wait_durable(self.append(ForgetFailed()))

    @property
    def durable(self) -> int:
        """Sequence number up to which everything is on disk."""
        return self._writer.durable

    @property
    def backlog(self) -> int:
        """Records appended and not yet durable."""
        return self._writer.backlog

    @property
    def failure(self) -> JournalError | None:
        """Why nothing is recorded any more, or None while all is well."""
        return self._writer.failure

    def wait_durable(self, sequence: int, timeout_s: float | None = None) -> bool:
        """Block until `sequence` is on disk; False on time-out. Raises JournalError if the disk failed."""
        return self._writer.wait_durable(sequence, timeout_s)

    def flush(self) -> None:
        """Block until all that was appended is on disk. Raises JournalError."""
        self._writer.wait_durable(self._writer.durable + self._writer.backlog)

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call `callback(highest durable sequence number)` after each commit, on the writer thread.

        It must be quick and must not raise, nor append. Returns a function that ends the subscription.
        """
        return self._writer.subscribe(callback)

    def on_failure(self, callback: Callable[[JournalError], None]) -> None:
        """Call `callback(error)` on the writer thread when the disk fails; nothing is durable after that."""
        self._writer.on_failure(callback)

    def close(self) -> None:
        """Commit what is queued and let the run go; idempotent. Raises JournalError when it cannot commit."""
        try:
            self._writer.close()
        finally:
            self._lock.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except JournalError:
            if error is None:
                raise


def _describe(connection: sqlite3.Connection, meta: RunMeta) -> None:
    rows = RowWriter(connection)
    rows.write(meta, payload_of(meta))


def check_structure(path: Path) -> None:
    """SQLite's own quick check. Raises JournalError when the file is damaged or foreign."""
    connection = open_reader(path)
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except DAMAGE as error:
        raise corrupt(path, error) from error
    finally:
        connection.close()
    if verdict != "ok":
        raise corrupt(path, ValueError(str(verdict).splitlines()[-1]))


def sync_directory(directory: Path) -> None:
    """Make names in `directory` durable. Raises JournalError."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise JournalError(f"cannot sync {directory}: {error.strerror}", fix="check the disk") from error
