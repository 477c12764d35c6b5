"""Generated tables on their way into a database: DuckDB files that appear whole, and PostgreSQL.

A data set describes its columns in SQL types that both databases know and gives its rows column by column.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from engine.errors import ConfigError

Columns: TypeAlias = Mapping[str, Sequence[object]]
"""One table: column → its values, all of one length; None is NULL."""
Tables: TypeAlias = Mapping[str, Columns]


def refuse_other_scale(path: Path, things: str, counted: str, wanted: int, scale: float) -> None:
    """Raise ConfigError unless the DuckDB file `path` holds as many `things` as there are at `scale`.

    What the file holds tells its scale, so nothing is noted beside it: `counted` is the statement that counts
    them, `wanted` what it gives at that scale. One more or less is taken for rounding.
    """
    import duckdb  # half a second to import, needed once

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute(counted).fetchone()
    except duckdb.Error as error:
        raise ConfigError(f"{path} is not what it is taken for: {error}", fix="remove it") from None
    found = int(row[0]) if row else 0
    if abs(found - wanted) > 1:
        raise ConfigError(
            f"{path} holds another scale: {found:,} {things}, and scale {scale:g} has {wanted:,}",
            fix="remove it to have it made again, or ask for its own scale",
        )


def write_duckdb(path: Path, tables: Tables, types: Mapping[str, str], then: Sequence[str] = ()) -> None:
    """Write a DuckDB file of `tables` to `path`, unless it is there.

    `types` holds the columns of each table as CREATE TABLE takes them, in the tables' order; statements
    `then` run at the end. The file appears whole or not at all, also when two processes build it at once.
    """
    if path.exists():
        return
    import duckdb  # half a second to import, needed once

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tables-", dir=path.parent) as folder:
        unfinished = Path(folder) / "unfinished.duckdb"
        with duckdb.connect(str(unfinished)) as connection:
            for name, columns in tables.items():
                connection.execute(f"CREATE TABLE {name} ({types[name]})")
                connection.register("generated", _arrow(columns))
                connection.execute(f"INSERT INTO {name} SELECT * FROM generated")  # noqa: S608
                connection.unregister("generated")
            for statement in then:
                connection.execute(statement)
            connection.execute("CHECKPOINT")
        os.replace(unfinished, path)


def write_postgres(conninfo: str, tables: Tables, types: Mapping[str, str], then: Sequence[str] = ()) -> None:
    """Create and fill the tables in the database `conninfo` names, all or nothing.

    Raises psycopg.Error if they exist.
    """
    import psycopg

    with psycopg.connect(conninfo) as connection, connection.cursor() as cursor:
        for name, columns in tables.items():
            cursor.execute(f"CREATE TABLE {name} ({types[name]})".encode())
            with cursor.copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for row in zip(*columns.values(), strict=True):
                    copy.write_row(row)
        for statement in (*then, "ANALYZE"):
            cursor.execute(statement.encode())


def _arrow(columns: Columns) -> object:
    import pyarrow

    return pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
