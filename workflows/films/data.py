"""The film catalogue in a database, generated on first use.

`python -m workflows.films.data FILE [SCALE]` writes a DuckDB file by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from workflows.films.catalogue import TYPES, count_titles, make_tables
from workflows.tables import refuse_other_scale, write_duckdb, write_postgres

DEFAULT_SCALE = 0.05
_POSTGRES_INDEXES = (
    "CREATE INDEX ON titles (theme)",
    "CREATE INDEX ON crew (title_id)",
    "CREATE INDEX ON ratings (title_id)",
    "CREATE INDEX ON alternative_titles (title_id)",
    "CREATE UNIQUE INDEX ON people (person_id)",
)


def build_database(path: Path, scale: float = DEFAULT_SCALE) -> None:
    """Write a DuckDB file of the catalogue to `path`, unless it is there; whole or not at all.

    Raises ConfigError when a file of another scale lies there.
    """
    if path.exists():
        counted = "SELECT count(*) FROM titles"
        refuse_other_scale(path, "titles", counted, count_titles(scale), scale)
    else:
        write_duckdb(path, make_tables(scale), TYPES)


def load_postgres(conninfo: str, scale: float = DEFAULT_SCALE) -> None:
    """Create and fill the same tables in PostgreSQL. Raises psycopg.Error if they exist."""
    write_postgres(conninfo, make_tables(scale), TYPES, _POSTGRES_INDEXES)


if __name__ == "__main__":
    build_database(Path(sys.argv[1]), *map(float, sys.argv[2:3]))
