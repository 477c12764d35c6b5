"""Opening a table of queries, whatever it is kept in."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, cast

from engine.errors import InputError
from haloctl.intake.arrow_rows import open_frame, open_parquet
from haloctl.intake.csv_rows import CsvTable
from haloctl.intake.json_rows import JsonlTable
from haloctl.intake.rows import Table
from haloctl.intake.sql_rows import SqlTable
from tools.sql.database import DatabaseSettings

Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet"]

_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def open_table(
    source: str | Path | object,
    *,
    format: str | None = None,
    encoding: str = "utf-8",
    database: DatabaseSettings | None = None,
) -> Table:
    """A table from a file (`-` is stdin), a frame in memory, or with `database` from a SELECT.

    CSV needs a header row; its delimiter is read off it. `.gz` files are unpacked while reading. Raises
    InputError when it cannot be read at all; a single broken row is not an error here.
    """
    if database is not None:
        return SqlTable(str(source), database, "the input query")
    if not isinstance(source, str | Path):
        return open_frame(source)
    path = Path(source)
    chosen = format or format_of(path)
    if chosen == "parquet":
        _require_file(path)
        return open_parquet(path)
    stream = cast(BinaryIO, sys.stdin.buffer) if str(source) == "-" else _open(path)
    try:
        if chosen == "jsonl":
            return JsonlTable(stream, str(source))
        if chosen in ("csv", "tsv"):
            delimiter = "\t" if chosen == "tsv" else None
            return CsvTable(stream, str(source), encoding=encoding, delimiter=delimiter)
    except BaseException:
        stream.close()
        raise
    stream.close()
    raise InputError(f"there is no input format {chosen!r}", fix="use csv, tsv, jsonl or parquet")


def format_of(source: str | Path) -> str:
    """The format that a file's name tells, with or without `.gz`. Raises InputError when it tells none."""
    path = Path(source)
    if str(path) == "-":
        raise InputError("the format of stdin is not known", fix="add --input-format csv or jsonl")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    found = _BY_SUFFIX.get(suffix.lower())
    if found is None:
        raise InputError(
            f"the format of {path} is not known by its name",
            fix="add --input-format csv, jsonl or parquet, or rename the file",
        )
    return found


def _open(path: Path) -> BinaryIO:
    _require_file(path)
    try:
        if path.suffix == ".gz":
            return cast(BinaryIO, gzip.open(path, "rb"))
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", fix="check its permissions") from error


def _require_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"there is no file {path}", fix="name an existing CSV, JSONL or Parquet file")
    if path.is_dir():
        raise InputError(f"{path} is a folder", fix="name a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read", fix="check its permissions")
