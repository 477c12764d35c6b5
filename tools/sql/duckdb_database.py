"""DuckDB: one instance, opened read-only and locked; a cursor a call.

One process cannot hold a file read-only and writable at once, so the first write waits for running
statements and reopens the instance writable; reads then run in read-only transactions, and other processes
can no longer open the file.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from engine.errors import ToolError
from engine.ir.ids import Json
from tools.sql.canonical import Statement
from tools.sql.database import DatabaseSettings, Table, TimeLimit
from tools.sql.files import fingerprint

SECONDS_PER_ROW = 1.0e-8
"""Measured with bench/sql_estimates.py on 2 busy cores, TPC-H 0.01 and 0.1. A row counts once in each
operator of the plan; in a scan, every row of the table does."""
SECONDS_PER_STATEMENT = 3.0e-3
_TABLE_ROWS = (
    "SELECT concat_ws('.', database_name, schema_name, table_name), estimated_size FROM duckdb_tables()"
)


class DuckdbDatabase:
    """A DuckDB file; see `tools.sql.database.Database`."""

    dialect = "duckdb"

    def __init__(self, path: Path, settings: DatabaseSettings) -> None:
        self.identity = f"duckdb:{fingerprint(path)}"
        self._path = path
        self._settings = settings
        self._users = 0
        self._idle = threading.Condition()
        self._writable = False
        self._instance: duckdb.DuckDBPyConnection | None = None

    def execute(
        self, statement: Statement, params: list[Json], *, write: bool, max_rows: int, limit: TimeLimit
    ) -> Table:
        with (
            self._cursor(write=write, limit=limit) as cursor,
            limit.interrupting(cursor.interrupt),
            _errors(limit),
        ):
            cursor.execute("BEGIN TRANSACTION" if write else "BEGIN TRANSACTION READ ONLY")
            cursor.execute(statement.text, params)
            columns = tuple(str(column[0]) for column in cursor.description or ())
            columns = ("count",) if write and columns == ("Count",) else columns
            rows = cursor.fetchmany(max_rows + 1)
            if write:
                cursor.execute("COMMIT")
            return Table(columns=columns, rows=tuple(rows[:max_rows]), more=len(rows) > max_rows)

    def calls_volatile(self, functions: tuple[str, ...]) -> bool:
        return False  # the list in `canonical` covers DuckDB's

    def estimate_s(self, statement: Statement, params: list[Json]) -> float | None:
        with self._cursor(write=False) as cursor:
            try:
                row = cursor.execute(f"EXPLAIN (FORMAT JSON) {statement.text}", params).fetchone()
                sizes = cursor.execute(_TABLE_ROWS).fetchall()
            except duckdb.Error:
                return None
        if row is None:
            return None
        return SECONDS_PER_STATEMENT + SECONDS_PER_ROW * _rows_touched(json.loads(row[1]), dict(sizes))

    def close(self) -> None:
        with self._idle:
            self._close_instance()

    @contextmanager
    def _cursor(self, *, write: bool, limit: TimeLimit | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._idle:
            if write and not self._writable:
                self._become_writable(limit)
            if self._instance is None:
                self._instance = self._open()
            cursor = self._instance.cursor()
            self._users += 1
        try:
            yield cursor
        finally:
            cursor.close()  # rolls back what was not committed
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def _become_writable(self, limit: TimeLimit | None) -> None:
        """Wait, with the lock held, until no statement runs. Raises ToolError when `limit` is over first."""
        while self._users and not self._writable:
            if limit is not None:
                limit.check()
            self._idle.wait(timeout=limit.remaining_s if limit is not None else None)
        if not self._writable:
            self._close_instance()
            self._writable = True

    def _open(self) -> duckdb.DuckDBPyConnection:
        config: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": False,
            "lock_configuration": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if self._settings.threads is not None:
            config["threads"] = self._settings.threads
        if self._settings.memory_bytes is not None:
            config["memory_limit"] = f"{self._settings.memory_bytes}B"
        try:
            return duckdb.connect(str(self._path), read_only=not self._writable, config=config)
        except duckdb.Error as error:
            self._writable = False  # others read the file: it can still be read here, too
            raise ToolError(f"cannot open the database: {_first_line(error)}", code="sql_error") from None

    def _close_instance(self) -> None:
        if self._instance is not None:
            self._instance.close()
            self._instance = None


@contextmanager
def _errors(limit: TimeLimit) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        limit.check()
        raise ToolError("the statement was interrupted", code="sql_error", retryable=True) from None
    except duckdb.PermissionException as error:
        raise ToolError(_first_line(error), code="sql_denied") from None
    except duckdb.TransactionException as error:
        raise ToolError(_first_line(error), code="sql_error", retryable=True) from None
    except duckdb.Error as error:
        limit.check()
        raise ToolError(_first_line(error), code="sql_error") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _rows_touched(plan: Json, table_rows: dict[str, int]) -> float:
    """Rows through every operator of an EXPLAIN (FORMAT JSON) plan. A scan tells only what its filters
    leave, but it reads the whole table.
    """
    if isinstance(plan, list):
        return sum(_rows_touched(node, table_rows) for node in plan)
    told = plan.get("extra_info", {})
    estimated = float(str(told.get("Estimated Cardinality", "0")).strip("~").replace(",", "") or 0)
    rows = max(estimated, float(table_rows.get(told.get("Table", "").replace('"', ""), 0)))
    return rows + _rows_touched(plan.get("children", []), table_rows)
