"""The workloads' data in a PostgreSQL database, all three sets side by side.

    python -m workflows.workloads.postgres CONNINFO [--films 0.05] [--pages 0.05] [--tpch 0.01]

Names of tables do not meet, so one database holds them all; each set is loaded whole or not at all. The rows
are those of the DuckDB files of the same scales.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import psycopg

from engine.errors import ConfigError, HaloError
from workflows.films.data import load_postgres as load_films
from workflows.pages.data import load_postgres as load_pages
from workflows.tpch.postgres import load_postgres as load_tpch
from workflows.workloads.folder import SCALES, add_scales

LOADERS = {"films": load_films, "pages": load_pages, "tpch": load_tpch}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line. Raises ConfigError for what PostgreSQL refuses, tables that exist among it."""
    parser = argparse.ArgumentParser(prog="python -m workflows.workloads.postgres")
    parser.add_argument("conninfo", help="postgresql://USER@HOST/DATABASE, an empty database")
    add_scales(parser)
    given = parser.parse_args(arguments)
    for name in SCALES:
        try:
            LOADERS[name](given.conninfo, getattr(given, name))
        except psycopg.Error as error:
            raise ConfigError(f"{name}: {error}".strip(), fix="load into an empty database") from None
        sys.stdout.write(f"{name} at scale {getattr(given, name):g} is loaded\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except HaloError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
