"""A folder in which all six workloads run: databases, question tables and settings.

`python -m workflows.workloads.folder FOLDER [QUESTIONS]` makes it, with 64 questions a set.
"""

from __future__ import annotations

import sys
from pathlib import Path

from workflows.films.data import build_database as build_films
from workflows.pages.data import build_database as build_pages
from workflows.tpch.data import build_database as build_tpch
from workflows.workloads.questions import SETS, write
from workflows.workloads.serve import DEFAULT_PORT

QUESTIONS = 64
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
    folder: Path, *, films: float = 0.05, pages: float = 0.05, tpch: float = 0.01
) -> dict[str, Path]:
    """The three DuckDB files of the workloads in `folder`, at the given scales, made where they are missing.

    Returns name → file, as the mock API takes them. Raises ConfigError without the TPC-H generator.
    """
    files = {name: folder / f"{name}.duckdb" for name in ("films", "pages", "tpch")}
    build_films(files["films"], films)
    build_pages(files["pages"], pages)
    build_tpch(files["tpch"], tpch)
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


if __name__ == "__main__":
    make_folder(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
