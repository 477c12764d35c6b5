"""What the tool asks of a database, and the pieces the three databases share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated, Generic, Protocol, TypeVar

from msgspec import Meta

from engine.contracts import Cancellation
from engine.errors import ToolError
from engine.ir.ids import Json, Record
from engine.ir.spec import Positive
from tools.sql.canonical import Statement

C = TypeVar("C")


class DatabaseSettings(Record, frozen=True, kw_only=True):
    """One database of the settings.

    `url`: duckdb:///file, sqlite:///file or postgresql://…, where `${env:NAME}` is a secret by reference.
    `threads` and `memory_bytes` bound DuckDB only.
    """

    url: Annotated[str, Meta(min_length=1)]
    threads: Positive | None = None
    memory_bytes: Positive | None = None


class Table(Record, frozen=True, kw_only=True):
    """Rows of a result as the database gave them; `more` tells that some were left unread."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: bool = False


class Database(Protocol):
    """One opened database. Thread-safe: every call takes a connection of its own."""

    @property
    def dialect(self) -> str:
        """The sqlglot dialect its statements are read in."""
        ...

    @property
    def identity(self) -> str:
        """What tells this database from another of the same name, for content keys; holds no secret."""
        ...

    def execute(
        self, statement: Statement, params: list[Json], *, write: bool, max_rows: int, limit: TimeLimit
    ) -> Table:
        """Run one statement; read-only unless `write`. Raises ToolError."""
        ...

    def calls_volatile(self, functions: tuple[str, ...]) -> bool:
        """Whether the database declares one of these functions volatile. May block."""
        ...

    def estimate_s(self, statement: Statement, params: list[Json]) -> float | None:
        """Seconds by the database's own EXPLAIN, or None."""
        ...

    def close(self) -> None:
        """Close all connections; idempotent."""
        ...


class TimeLimit:
    """The deadline and the cancellation of one call, brought to whatever statement is running.

    Used as a context manager. Interruption happens on threads of its own (a cancel request may block)
    and is repeated while the statement runs: an interrupt that comes just before it would be lost.
    """

    _REPEAT_S = 0.05

    def __init__(self, timeout_s: float, cancellation: Cancellation) -> None:
        self.timeout_s = timeout_s
        self._deadline = monotonic() + timeout_s
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self._timer: threading.Timer | None = None

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline, at least 1 ms (databases read 0 as no limit)."""
        return max(0.001, self._deadline - monotonic())

    @property
    def over(self) -> bool:
        """The statement should stop."""
        return self._cancellation.cancelled or monotonic() >= self._deadline

    def check(self) -> None:
        """Raise ToolError when over: `cancelled`, or sql_timeout."""
        if self._cancellation.cancelled:
            raise ToolError("the statement was cancelled", code="cancelled")
        if monotonic() >= self._deadline:
            raise ToolError(f"the statement ran longer than {self.timeout_s:g} s", code="sql_timeout")

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Within the block, deadline and cancellation call `interrupt` until it ends."""
        self.check()
        self._interrupt = interrupt
        self._arm(self._deadline - monotonic())
        self._cancellation.on_cancel(lambda: self._arm(0.0))
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None
                if self._timer is not None:
                    self._timer.cancel()

    def _arm(self, delay_s: float) -> None:
        with self._lock:
            if self._interrupt is None:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(max(0.0, delay_s), self._fire)
            self._timer.daemon = True
            self._timer.start()

    def _fire(self) -> None:
        with self._lock:
            if self._interrupt is not None:
                self._interrupt()
        self._arm(self._REPEAT_S)


class Pool(Generic[C]):
    """Idle connections, last used first; a call borrows one.

    `reset` makes a connection fit for the next call, whatever happened, and tells whether it succeeded.
    """

    def __init__(
        self, connect: Callable[[], C], reset: Callable[[C], bool], close: Callable[[C], None]
    ) -> None:
        self._connect = connect
        self._reset = reset
        self._close = close
        self._idle: list[C] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[C]:
        """A connection for this block only."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._take_back(connection)

    def _take_back(self, connection: C) -> None:
        fit = self._reset(connection)
        with self._lock:
            keep = fit and not self._closed
            if keep:
                self._idle.append(connection)
        if not keep:
            self._close(connection)

    def close(self) -> None:
        """Close what is idle now, and what is borrowed as it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            self._close(connection)
