"""The same TPC-H tables in SQLite, for comparing databases."""

from __future__ import annotations

import csv
import sqlite3
import tempfile
from pathlib import Path

from workflows.tpch.data import DEFAULT_SCALE, TABLES, generate
from workflows.tpch.postgres import COLUMNS


def load_sqlite(path: Path, scale: float = DEFAULT_SCALE) -> None:
    """Create and fill the tables in the SQLite file `path`. Raises sqlite3.Error if they exist."""
    with tempfile.TemporaryDirectory(prefix="tpch-") as folder:
        files = generate(Path(folder) / "csv", "csv", scale)
        connection = sqlite3.connect(path)
        with connection:
            for table in TABLES:
                connection.execute(f"CREATE TABLE {table} ({COLUMNS[table]})")
                holes = ", ".join("?" * len(COLUMNS[table].replace("15, 2", "").split(",")))
                with (files / f"{table}.csv").open(newline="", encoding="utf-8") as file:
                    rows = csv.reader(file)
                    next(rows)
                    connection.executemany(f"INSERT INTO {table} VALUES ({holes})", rows)  # noqa: S608
        connection.close()
