"""PostgreSQL through psycopg 3: one statement a read-only transaction, parameters bound by the protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.raw_cursor import RawCursor
from psycopg.types.json import Jsonb

from engine.errors import ToolError
from engine.ir.ids import Json
from tools import secrets
from tools.sql.canonical import Statement
from tools.sql.database import Pool, Table, TimeLimit

SECONDS_PER_COST = 1.2e-5
"""Per unit of EXPLAIN's total cost; measured with bench/sql_estimates.py, TPC-H 0.01 and 0.1."""
SECONDS_PER_STATEMENT = 2.0e-3

_CONNECT_TIMEOUT_S = 10
_PASSWORD = re.compile(r"password=[^&]*")
_FETCH_ROWS = 256

Connection = psycopg.Connection[tuple[object, ...]]


class PostgresDatabase:
    """A PostgreSQL database; see `tools.sql.database.Database`.

    `url` may hold `${env:NAME}`; it is resolved at each connection and never kept resolved. Raises
    ToolError when such a variable is not set.
    """

    dialect = "postgres"

    def __init__(self, url: str) -> None:
        place = _without_password(secrets.resolve(url, code="sql_error"))
        self.identity = f"postgres:{blake2b(place.encode(), digest_size=16).hexdigest()}"
        self._url = url
        self._pool: Pool[Connection] = Pool(self._connect, _reset, Connection.close)
        self._volatile: dict[tuple[str, ...], bool] = {}

    def execute(
        self, statement: Statement, params: list[Json], *, write: bool, max_rows: int, limit: TimeLimit
    ) -> Table:
        with (
            _errors(limit, self._url, write=write),
            self._pool.borrow() as connection,
            limit.interrupting(lambda: _cancel(connection)),
        ):
            connection.execute("BEGIN READ WRITE" if write else "BEGIN READ ONLY")
            connection.execute(f"SET LOCAL statement_timeout = {max(1, round(limit.remaining_s * 1000))}")
            table = _run(connection, statement.text, params, None if write else max_rows)
            if write:
                connection.execute("COMMIT")
            return Table(columns=table.columns, rows=table.rows[:max_rows], more=len(table.rows) > max_rows)

    def calls_volatile(self, functions: tuple[str, ...]) -> bool:
        """As pg_proc says; True when the server cannot be asked."""
        if not functions:
            return False
        if functions not in self._volatile:
            try:
                with self._pool.borrow() as connection:
                    row = connection.execute(
                        "SELECT bool_or(provolatile = 'v') FROM pg_proc WHERE proname = ANY($1)",
                        [list(functions)],
                    ).fetchone()
            except (psycopg.Error, ToolError):
                return True
            self._volatile[functions] = bool(row and row[0])
        return self._volatile[functions]

    def estimate_s(self, statement: Statement, params: list[Json]) -> float | None:
        try:
            with self._pool.borrow() as connection:
                connection.execute("BEGIN READ ONLY")
                row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement.text}", _bound(params)).fetchone()
        except (psycopg.Error, ToolError):
            return None
        if row is None:
            return None
        plans: Json = row[0]
        return SECONDS_PER_STATEMENT + SECONDS_PER_COST * float(plans[0]["Plan"]["Total Cost"])

    def close(self) -> None:
        self._pool.close()

    def _connect(self) -> Connection:
        return psycopg.connect(
            secrets.resolve(self._url, code="sql_error"),
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_S,
            application_name="haloctl",
            cursor_factory=RawCursor,
        )


def _without_password(url: str) -> str:
    """Who reads which database where: the user stays, since rows may depend on it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    place = parts._replace(netloc=user.partition(":")[0] + at + host, query=_PASSWORD.sub("", parts.query))
    return urlunsplit(place)


def _run(connection: Connection, text: str, params: list[Json], max_rows: int | None) -> Table:
    """Read at most `max_rows` + 1 rows; the rest is cancelled by the server, not carried over."""
    with connection.cursor() as cursor:
        if max_rows is None:
            cursor.execute(text, _bound(params))
            if cursor.description is None:
                return Table(columns=("count",), rows=((cursor.rowcount,),))
            rows = cursor.fetchall()
        else:
            rows = []
            for row in cursor.stream(text, _bound(params), size=min(_FETCH_ROWS, max_rows + 1)):
                rows.append(row)
                if len(rows) > max_rows:
                    break
            if cursor.description is None:  # a stream without rows says nothing of its columns
                body = text.rstrip().rstrip(";")  # the author's own statement, already run
                cursor.execute(f"SELECT * FROM ({body}\n) AS described LIMIT 0", _bound(params))  # noqa: S608
        return Table(columns=tuple(column.name for column in cursor.description or ()), rows=tuple(rows))


def _bound(params: list[Json]) -> list[object]:
    return [Jsonb(value) if isinstance(value, dict) else value for value in params]


def _cancel(connection: Connection) -> None:
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=2.0)


def _reset(connection: Connection) -> bool:
    try:
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
    except psycopg.Error:
        return False
    return not connection.broken


@contextmanager
def _errors(limit: TimeLimit, url: str, *, write: bool) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        limit.check()
        message = error.diag.message_primary or "cancelled by the server"
        code = "sql_timeout" if "timeout" in message else "sql_error"
        raise ToolError(message, code=code) from None
    except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege) as error:
        raise ToolError(_message(error, url), code="sql_denied") from None
    except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
        raise ToolError(_message(error, url), code="sql_error", retryable=True) from None
    except psycopg.OperationalError as error:
        lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57P", "53"))
        raise ToolError(_message(error, url), code="sql_error", retryable=lost and not write) from None
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise ToolError(_message(error, url), code="sql_error") from None


def _message(error: Exception, url: str) -> str:
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return secrets.redact(told or str(error).strip().split("\n")[0], secrets.values(url))
