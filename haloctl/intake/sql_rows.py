"""Queries out of a database: one read-only SELECT, by the same code that runs SQL operators."""

from __future__ import annotations

from collections.abc import Iterator

from engine.contracts import Cancellation
from engine.errors import InputError, ToolError
from haloctl.intake.rows import Row
from tools.sql.canonical import analyse
from tools.sql.database import DatabaseSettings, TimeLimit
from tools.sql.tool import connect
from tools.sql.values import to_json

MAX_QUERY_ROWS = 1_000_000
TIMEOUT_S = 600.0


class SqlTable:
    """The rows of a SELECT. They are fetched at once, so that the database is free for the operators."""

    textual = False

    def __init__(self, statement: str, database: DatabaseSettings, name: str) -> None:
        self.name = name
        try:
            opened = connect(database)
            try:
                table = opened.execute(
                    analyse(statement, opened.dialect),
                    [],
                    write=False,
                    max_rows=MAX_QUERY_ROWS,
                    limit=TimeLimit(TIMEOUT_S, Cancellation()),
                )
            finally:
                opened.close()
        except ToolError as error:
            raise InputError(f"{name}: {error.message}", fix=error.fix or "check the SELECT") from error
        if table.more:
            raise InputError(
                f"{name} gives over {MAX_QUERY_ROWS} rows", fix="write them to a Parquet file and read that"
            )
        self.columns = table.columns
        self._rows = table.rows

    def close(self) -> None:
        self._rows = ()

    def rows(self) -> Iterator[Row]:
        for number, values in enumerate(self._rows, 1):
            yield Row(f"row {number}", dict(zip(self.columns, map(to_json, values), strict=True)))
