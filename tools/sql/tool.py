"""The SQL tool: rendered arguments in, a table as JSON out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from secrets import token_hex

import msgspec

from engine.contracts import Cancellation
from engine.errors import ConfigError, ToolError
from engine.ir.ids import Json, Record
from tools import secrets
from tools.sql.canonical import VOLATILE_WORDS, Statement, analyse
from tools.sql.database import Database, DatabaseSettings, Table, TimeLimit
from tools.sql.files import file_of
from tools.sql.values import to_json

_JSON = msgspec.json.Encoder()


class BoundQuery(Record, frozen=True, kw_only=True):
    """A statement with `$n` for its n-th parameter."""

    text: str
    params: list[Json] = msgspec.field(default_factory=list)


class SqlArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered arguments of one call; fields of other concerns are ignored."""

    database: str
    query: BoundQuery | str
    max_rows: int = 200
    max_bytes: int = 256 * 1024
    effects: str = "read"


class SqlSettings(Record, frozen=True, kw_only=True):
    """The settings this tool reads."""

    databases: dict[str, DatabaseSettings] = msgspec.field(default_factory=dict)


class SqlTool:
    """Databases by name, opened at first use; see `engine.contracts.Tool`."""

    def __init__(self, settings: Mapping[str, DatabaseSettings]) -> None:
        self._settings = dict(settings)
        self._open: dict[str, Database] = {}
        self._closed = False
        self._written: dict[str, tuple[str, int]] = {}
        """Database → a mark that is new after each write: what was read before is no longer the answer."""
        self._estimates: dict[tuple[str, str], float | None] = {}
        self._lock = threading.Lock()

    def canonical(self, arguments: Mapping[str, Json]) -> Json:
        """Database as it stands, normal form, parameters in order of use, and limits."""
        database, statement, params, given = self._read(arguments)
        return {
            "database": [database.identity, *self._written.get(given.database, ())],
            "statement": statement.normal,
            "params": [params[position - 1] for position in statement.order],
            "max_rows": given.max_rows,
            "max_bytes": given.max_bytes,
        }

    def coalescable(self, arguments: Mapping[str, Json]) -> bool:
        """Read-only, free of volatile functions, and no parameter means the present moment."""
        database, statement, params, given = self._read(arguments)
        if statement.writes or statement.volatile or given.effects == "write":
            return False
        if any(isinstance(value, str) and value.strip().lower() in VOLATILE_WORDS for value in params):
            return False
        return not database.calls_volatile(statement.functions)

    def estimate_s(self, arguments: Mapping[str, Json]) -> float | None:
        """By EXPLAIN, asked once for each statement with the first parameters seen."""
        try:
            database, statement, params, given = self._read(arguments)
        except ToolError:
            return None
        key = (given.database, statement.text)
        if key not in self._estimates:
            self._estimates[key] = None if statement.writes else database.estimate_s(statement, params)
        return self._estimates[key]

    def call(self, arguments: Mapping[str, Json], *, timeout_s: float, cancellation: Cancellation) -> Json:
        """`{"columns": […], "rows": [[…], …], "truncated": bool}`."""
        limit = TimeLimit(timeout_s, cancellation)
        database, statement, params, given = self._read(arguments)
        write = given.effects == "write" and statement.writes
        try:
            table = database.execute(statement, params, write=write, max_rows=given.max_rows, limit=limit)
        finally:
            if write:
                self._mark_written(given.database)
        return _as_json(table, given.max_bytes)

    def _mark_written(self, name: str) -> None:
        with self._lock:
            mark, count = self._written.get(name, (token_hex(8), 0))
            self._written[name] = (mark, count + 1)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for database in self._open.values():
                database.close()
            self._open.clear()

    def _read(self, arguments: Mapping[str, Json]) -> tuple[Database, Statement, list[Json], SqlArguments]:
        try:
            given = msgspec.convert(dict(arguments), SqlArguments)
        except msgspec.ValidationError as error:
            raise ToolError(f"the arguments are malformed: {error}", code="sql_error") from None
        query = given.query if isinstance(given.query, BoundQuery) else BoundQuery(text=given.query)
        database = self._database(given.database)
        statement = analyse(query.text, database.dialect)
        if statement.writes and given.effects != "write":
            raise ToolError(
                "the statement writes", code="sql_denied", fix="add effects: write to the operator"
            )
        if statement.order and max(statement.order) > len(query.params):
            raise ToolError(f"parameter ${max(statement.order)} has no value", code="sql_error")
        return database, statement, query.params, given

    def _database(self, name: str) -> Database:
        database = self._open.get(name)
        if database is not None:
            return database
        with self._lock:
            if self._closed:
                raise ToolError("the tool is closed", code="cancelled")
            if name not in self._settings:
                known = ", ".join(sorted(self._settings)) or "none"
                raise ToolError(
                    f"there is no database {name!r}",
                    code="sql_error",
                    fix=f"name one of the settings' databases: {known}",
                )
            if name not in self._open:
                self._open[name] = connect(self._settings[name])
            return self._open[name]


def connect(settings: DatabaseSettings) -> Database:
    """The database behind a URL. Raises ToolError (sql_error) for a missing file or an unknown scheme."""
    resolved = secrets.resolve(settings.url, code="sql_error")
    scheme = resolved.partition(":")[0]
    if scheme == "duckdb":
        from tools.sql.duckdb_database import DuckdbDatabase

        return DuckdbDatabase(file_of(resolved), settings)
    if scheme == "sqlite":
        from tools.sql.sqlite_database import SqliteDatabase

        return SqliteDatabase(file_of(resolved))
    if scheme in {"postgresql", "postgres"}:
        from tools.sql.postgres_database import PostgresDatabase

        return PostgresDatabase(settings.url)
    raise ToolError(
        f"{scheme!r} is not a kind of database",
        code="sql_error",
        fix="write a URL of duckdb, sqlite or postgresql",
    )


def open_sql(settings: Mapping[str, Json]) -> SqlTool:
    """The tool over `settings["databases"]`. Raises ConfigError when they are malformed."""
    try:
        return SqlTool(msgspec.convert(dict(settings), SqlSettings).databases)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"the settings of databases are wrong: {error}",
            fix='write [databases.NAME] with url = "duckdb:///…"',
        ) from None


def _as_json(table: Table, max_bytes: int) -> Json:
    rows: list[Json] = []
    truncated = table.more
    size = len(_JSON.encode(table.columns))
    for row in table.rows:
        values = [to_json(value) for value in row]
        size += len(_JSON.encode(values))
        if size > max_bytes:
            truncated = True
            break
        rows.append(values)
    if table.rows and not rows:
        raise ToolError(f"the first row alone exceeds {max_bytes} bytes", code="result_too_large")
    return {"columns": list(table.columns), "rows": rows, "truncated": truncated}
