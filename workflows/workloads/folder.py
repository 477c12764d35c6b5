"""A folder in which all six workloads run: databases, question tables and settings.

    python -m workflows.workloads.folder FOLDER [QUESTIONS] [--films 0.05] [--pages 0.05] [--tpch 0.01]

makes it, with 64 questions a set. Databases that lie there are kept, and refused if their scales are others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import HaloError
from workflows.films import data as films_data
from workflows.pages import data as pages_data
from workflows.tpch import data as tpch_data
from workflows.workloads.questions import SETS, write
from workflows.workloads.serve import DEFAULT_PORT

QUESTIONS = 64
SCALES = {
    "films": films_data.DEFAULT_SCALE,
    "pages": pages_data.DEFAULT_SCALE,
    "tpch": tpch_data.DEFAULT_SCALE,
}
"""Set of data → its scale where none is asked for."""
_SETTINGS = """\
# Models of three sizes for the workloads. They answer without a model file until you name one:
# put `gguf = "FILE"` in the place of `backend = "echo"`.
[models.S]
backend = "echo"

[models.M]
backend = "echo"

[models.L]
backend = "echo"

[databases.films]
url = "duckdb:films.duckdb"

[databases.pages]
url = "duckdb:pages.duckdb"

[databases.tpch]
url = "duckdb:tpch.duckdb"

# python -m workflows.workloads.serve .
[http]
allowed_hosts = ["{host}"]
"""


def build_databases(
    folder: Path,
    *,
    films: float = SCALES["films"],
    pages: float = SCALES["pages"],
    tpch: float = SCALES["tpch"],
) -> dict[str, Path]:
    """The three DuckDB files of the workloads in `folder`, at the given scales, made where they are missing.

    Returns name → file, as the mock API takes them. Raises ConfigError without the TPC-H generator, and for a
    file of another scale.
    """
    files = {name: folder / f"{name}.duckdb" for name in SCALES}
    films_data.build_database(files["films"], films)
    pages_data.build_database(files["pages"], pages)
    tpch_data.build_database(files["tpch"], tpch)
    return files


def make_settings(api_url: str) -> str:
    """Text of a settings file beside the databases, with echo models and the API at `api_url` allowed."""
    return _SETTINGS.format(host=api_url.partition("//")[2])


def make_folder(folder: Path, questions: int = QUESTIONS, **scales: float) -> None:
    """Databases, `SET_questions.csv` for each set, and haloctl.toml, which is kept if it is there.

    `scales` are those of `build_databases`.
    """
    build_databases(folder, **scales)
    for name in SETS:
        with (folder / f"{name}_questions.csv").open("w", encoding="utf-8", newline="") as table:
            write(table, name, questions)
    settings = folder / "haloctl.toml"
    if not settings.exists():
        settings.write_text(make_settings(f"http://127.0.0.1:{DEFAULT_PORT}"), encoding="utf-8")


def add_scales(parser: argparse.ArgumentParser) -> None:
    """Options --films, --pages and --tpch."""
    for name, usual in SCALES.items():
        parser.add_argument(f"--{name}", type=float, default=usual, metavar="SCALE", help=f"usually {usual}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line. Raises ConfigError as `build_databases` does."""
    parser = argparse.ArgumentParser(prog="python -m workflows.workloads.folder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("questions", type=int, nargs="?", default=QUESTIONS, help="of each set")
    add_scales(parser)
    given = parser.parse_args(arguments)
    make_folder(given.folder, given.questions, **{name: getattr(given, name) for name in SCALES})


if __name__ == "__main__":
    try:
        main()
    except HaloError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
