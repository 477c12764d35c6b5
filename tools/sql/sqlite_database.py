"""SQLite: `mode=ro` connections behind an authorizer, since mode=ro alone still writes through ATTACH."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from engine.errors import ToolError
from engine.ir.ids import Json
from tools.sql.canonical import Statement
from tools.sql.database import Pool, Table, TimeLimit
from tools.sql.files import fingerprint

_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_WRITING = _READING | {
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_DROP_TABLE,
    sqlite3.SQLITE_DROP_INDEX,
    sqlite3.SQLITE_ALTER_TABLE,
    sqlite3.SQLITE_REINDEX,
}
_PROGRESS_INSTRUCTIONS = 20_000
"""Virtual-machine instructions between two looks at the clock: well under a millisecond."""


class SqliteDatabase:
    """A SQLite file; see `tools.sql.database.Database`."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.identity = f"sqlite:{fingerprint(path)}"
        self._path = path
        self._readers = Pool(lambda: self._connect("ro", _READING), _reset, sqlite3.Connection.close)
        self._writers = Pool(lambda: self._connect("rw", _WRITING), _reset, sqlite3.Connection.close)

    def execute(
        self, statement: Statement, params: list[Json], *, write: bool, max_rows: int, limit: TimeLimit
    ) -> Table:
        pool = self._writers if write else self._readers
        with _errors(limit), pool.borrow() as connection:
            connection.set_progress_handler(lambda: limit.over, _PROGRESS_INSTRUCTIONS)
            if write:
                connection.execute("BEGIN IMMEDIATE")
            cursor = connection.execute(statement.text, _named(params))
            if cursor.description is None:
                rows = [(cursor.rowcount,)]
            else:
                rows = cursor.fetchmany(max_rows + 1)
            columns = tuple(str(column[0]) for column in cursor.description or (("count",),))
            cursor.close()
            if write:
                connection.execute("COMMIT")
            return Table(columns=columns, rows=tuple(rows[:max_rows]), more=len(rows) > max_rows)

    def calls_volatile(self, functions: tuple[str, ...]) -> bool:
        return False  # connections register no functions of their own

    def estimate_s(self, statement: Statement, params: list[Json]) -> float | None:
        return None  # SQLite's EXPLAIN tells no costs

    def close(self) -> None:
        self._readers.close()
        self._writers.close()

    def _connect(self, mode: str, allowed: frozenset[int]) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,  # the pool lends it to one thread at a time
            timeout=5.0,
        )
        connection.text_factory = _text
        connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
        )
        return connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _reset(connection: sqlite3.Connection) -> bool:
    try:
        connection.set_progress_handler(None, 0)
        connection.rollback()
    except sqlite3.Error:
        return False
    return True


def _named(params: list[Json]) -> dict[str, Json]:
    """`$1` is a named parameter to SQLite; it takes lists and objects as JSON text."""
    return {
        str(i): json.dumps(value) if isinstance(value, list | dict) else value
        for i, value in enumerate(params, start=1)
    }


@contextmanager
def _errors(limit: TimeLimit) -> Iterator[None]:
    try:
        limit.check()
        yield
    except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_INTERRUPT":
            limit.check()
        if name in {"SQLITE_AUTH", "SQLITE_READONLY"}:
            raise ToolError(str(error), code="sql_denied") from None
        busy = name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        raise ToolError(str(error), code="sql_error", retryable=busy) from None
