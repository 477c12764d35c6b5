"""Crash-safe results: exactly one row a query stands in the output, whatever crashes.

A finished row goes to the journal first. Once it is durable there, the output thread writes its line,
forces it to disk, and records offset, length and CRC (`emit`). After a crash the output is cut back to the
last recorded good line, and rows that are in the journal but not in the output are written from it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO, Literal

from engine.errors import HaloError, JournalError
from engine.ir.ids import QueryIndex
from engine.ir.result import QueryResult
from engine.journal.held_rows import BUFFER_BYTES, HeldRow, HeldRows
from engine.journal.output_target import OutputTarget, open_line_file, open_stream
from engine.journal.records import Emitted, EmittedRows, ForgetFailed
from engine.journal.store import RunStore
from engine.journal.view import RunView

GROUP_LINES = 512
GROUP_BYTES = 1 << 20
_Submitted = tuple[int, QueryIndex, bytes | None]


class ResultWriter:
    """Takes finished rows and brings them to the output, on a thread of its own.

    Opening it on a resumed run repairs the output and writes what the journal holds beyond it. `stream`
    receives the bytes when the target is `-`. `warnings` says what was found changed.
    """

    def __init__(
        self,
        store: RunStore,
        target: OutputTarget,
        *,
        order: Literal["input", "completion"] = "input",
        stream: BinaryIO | None = None,
        on_failure: Callable[[HaloError], None] | None = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """Raises ConfigError for an existing file that is not this run's, JournalError on I/O."""
        self._store = store
        self._target = target
        self._on_failure = on_failure
        self._format = target.row_format()
        self._stream = open_stream(target, stream)
        self._view = RunView(store.directory)
        try:
            self._opened = open_line_file(store, self._view, target, self._format.header)
        except BaseException:
            self._close_files()
            raise
        self.warnings: tuple[str, ...] = self._opened.warnings
        self._held = HeldRows(order, buffer_bytes)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._submitted: deque[_Submitted] = deque()
        self._submitted_bytes = 0
        self._buffer_bytes = buffer_bytes
        self._written = 0
        self._order = order
        self._taking_back: tuple[QueryIndex, ...] = ()
        self._ending: Literal["finish", "close"] | None = None
        self._failure: HaloError | None = None
        self._restore(self._opened.emitted)
        self._unsubscribe = store.subscribe(lambda _: self._wake())
        store.on_failure(lambda _: self._wake())
        self._thread = threading.Thread(target=self._main, name="output", daemon=True)
        self._thread.start()

    @property
    def revocable(self) -> bool:
        """Whether rows can be taken back: not from a stream, which has passed them on."""
        return self._stream is None

    @property
    def written(self) -> int:
        """Rows that stand in the output, durably."""
        return self._written

    def submit(self, result: QueryResult) -> int:
        """Record a finished row and let it be written in its turn; a row known already is ignored.

        Returns the journal's sequence number. Blocks as `RunStore.append` does; raises JournalError once
        journal or output failed.
        """
        line = self._format.line(result)
        sequence = self._store.append(result)
        with self._lock:
            if self._failure is not None:
                raise self._failure
            keep = self._submitted_bytes + len(line) <= self._buffer_bytes
            self._submitted.append((sequence, result.index, line if keep else None))
            self._submitted_bytes += len(line) if keep else 0
            self._changed.notify()
        return sequence

    def take_back(self, rows: tuple[QueryIndex, ...]) -> None:
        """Take failed rows out of journal and output, to be submitted again.

        Blocks until that is durable; call it from the thread that submits. Raises JournalError if the output
        failed, and ValueError where rows cannot be taken back.
        """
        if not self.revocable:
            raise ValueError("rows cannot be taken back from a stream")
        self._store.flush()
        with self._lock:
            self._taking_back = rows
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._taking_back or self._failure is not None)
            if self._failure is not None:
                raise self._failure

    def finish(self) -> int:
        """Write all that was submitted, make Parquet of it where asked; returns the rows in the output.

        Blocks. Raises JournalError, or ConfigError when a file of the target's name has appeared.
        """
        self._end("finish")
        if self._target.format == "parquet":
            from engine.journal.parquet import write_parquet  # pyarrow takes long to import

            write_parquet(self._store, self._opened.file.path, self._target)
        return self._written

    def close(self) -> None:
        """Write the durable rows whose turn it is and stop; the others wait in the journal. Idempotent.

        Raises JournalError if the output failed.
        """
        self._end("close")

    def _end(self, how: Literal["finish", "close"]) -> None:
        with self._lock:
            self._ending = self._ending or how
            self._changed.notify()
        self._thread.join()
        self._unsubscribe()
        self._opened.file.close()
        self._close_files()
        if self._failure is not None:
            raise self._failure

    def _close_files(self) -> None:
        self._view.close()
        if self._stream is not None:
            self._stream.close()

    def _restore(self, emitted: tuple[Emitted, ...]) -> None:
        """Hold what the journal has beyond the rows that stand in the output."""
        for row in emitted:
            self._held.written(row.index)
        self._written = len(emitted)
        for index, _ in self._view.query_statuses():
            self._held.add(QueryIndex(index), None)

    def _wake(self) -> None:
        with self._lock:
            self._changed.notify()

    def _main(self) -> None:
        try:
            if self._stream is not None:
                self._stream.copy(self._opened.file.path)
            while (group := self._next_group()) is not None:
                if self._taking_back:
                    self._cut(self._taking_back)
                else:
                    self._write(group)
            self._store.flush()
        except HaloError as error:
            self._fail(error)
        except Exception as error:  # a thread's error must reach whoever waits
            failure = JournalError(f"cannot write the results: {error}", fix="resume the run")
            failure.__cause__ = error
            self._fail(failure)

    def _next_group(self) -> list[HeldRow] | None:
        """Wait for rows whose turn it is; None when ended and nothing is left to write.

        Empty when rows are to be taken back first.
        """
        with self._lock:
            while True:
                if self._taking_back:
                    return []
                self._admit_durable()
                if self._ending == "finish" and not self._submitted:
                    self._held.complete()
                if group := self._held.take(GROUP_LINES, GROUP_BYTES):
                    return group
                if self._ending is not None and not self._submitted:
                    return None
                if self._store.failure is not None:
                    raise self._store.failure
                self._changed.wait()

    def _admit_durable(self) -> None:
        durable = self._store.durable
        while self._submitted and self._submitted[0][0] <= durable:
            _, index, line = self._submitted.popleft()
            self._submitted_bytes -= 0 if line is None else len(line)
            self._held.add(index, line)

    def _write(self, group: list[HeldRow]) -> None:
        lines = [self._line(index) if line is None else line for index, line in group]
        places = self._opened.file.append(lines)
        rows = tuple(
            Emitted(index=index, offset_bytes=offset, length_bytes=length, crc=crc)
            for (index, _), (offset, length, crc) in zip(group, places, strict=True)
        )
        self._store.append(EmittedRows(rows=rows))
        self._written += len(rows)
        if self._stream is not None:
            self._stream.write(b"".join(lines))

    def _cut(self, rows: tuple[QueryIndex, ...]) -> None:
        """Take rows back: the journal forgets them first, so that a crash finds a file merely too long."""
        self._store.flush()  # what this thread has recorded of the file
        known, gone = self._view.emitted(), frozenset(rows)
        self._store.wait_durable(self._store.append(ForgetFailed(rows=rows)))
        end = min((row.offset_bytes for row in known if row.index in gone), default=None)
        if end is not None:
            self._opened.file.truncate(end, self._format.header)
            known = tuple(row for row in known if row.offset_bytes < end)
        with self._lock:
            self._held = HeldRows(self._order, self._buffer_bytes)
            self._submitted.clear()
            self._submitted_bytes = 0
            self._restore(known)
            self._taking_back = ()
            self._changed.notify_all()

    def _line(self, index: QueryIndex) -> bytes:
        result = self._view.query(index)
        if result is None:
            raise JournalError(f"row {index} is missing from the journal", fix="resume the run")
        return self._format.line(result)

    def _fail(self, error: HaloError) -> None:
        with self._lock:
            self._failure = error
            self._changed.notify_all()
        if self._on_failure is not None:
            self._on_failure(error)
