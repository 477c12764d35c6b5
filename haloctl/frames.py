"""Data frames in and out: Arrow tables, pandas and polars frames, lists of dicts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import ConfigError
from engine.ir.ids import Json
from engine.journal.rows import json_bytes

Frame = TypeVar("Frame")
FIXED = ("id", "status", "error", "error_message")
MODELS = "models"


@dataclass
class StoredTable:
    """A table on disk for as long as its run may need it, and where the run's rows go."""

    path: Path
    results: Path
    kept: bool = False

    def keep(self) -> None:
        """Leave the files: the run is to be resumed."""
        self.kept = True


@contextmanager
def stored_table(table: object, folder: Path) -> Iterator[StoredTable]:
    """Write `table` into `folder`; removed afterwards unless kept. Raises ConfigError for other kinds."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    suffix = ".jsonl" if isinstance(table, list) else ".parquet"
    stored = StoredTable(folder / f"{name}{suffix}", folder / f"{name}.rows.jsonl")
    try:
        if isinstance(table, list):
            stored.path.write_bytes(b"".join(json_bytes(row) + b"\n" for row in table))
        else:
            pq.write_table(to_arrow(table), stored.path)
        yield stored
    finally:
        if not stored.kept:
            stored.path.unlink(missing_ok=True)
            stored.results.unlink(missing_ok=True)


def to_arrow(table: Any) -> pa.Table:
    """An Arrow table of any supported frame. Raises ConfigError for anything else."""
    kind = _kind(table)
    if kind == "pyarrow":
        return table
    if kind == "pandas":
        return pa.Table.from_pandas(table, preserve_index=False)
    if kind == "polars":
        return table.to_arrow()
    raise ConfigError(
        f"a table cannot be a {type(table).__name__}",
        fix="give an Arrow table, a pandas or polars frame, or a list of dicts",
    )


def from_rows(like: Frame, rows: Sequence[dict[str, Json]], outputs: Sequence[str]) -> Frame:
    """Rows as a frame of the same kind as `like`; `outputs` become columns, and so does what produced each
    row where rows name it.
    """
    named = any(row[MODELS] is not None for row in rows)
    fixed = {*FIXED, MODELS} if named else set(FIXED)
    names = {output: f"output_{output}" if output in fixed else output for output in outputs}
    columns: dict[str, list[Json]] = {
        "id": [row["id"] for row in rows],
        "status": [row["status"] for row in rows],
        **{name: [row["outputs"].get(output) for row in rows] for output, name in names.items()},
        "error": [row["error"] for row in rows],
        "error_message": [row["error_message"] for row in rows],
    }
    if named:
        columns[MODELS] = [row[MODELS] for row in rows]
    return cast(Frame, _like(_kind(like), columns))


def _like(kind: str, columns: dict[str, list[Json]]) -> object:
    if kind == "builtins":
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    frame = pa.table(
        {
            name: pa.array(values, pa.string()) if name in FIXED else _array(values)
            for name, values in columns.items()
        }
    )
    if kind == "pandas":
        return frame.to_pandas()
    if kind == "polars":
        import polars  # only when the caller uses it: an optional dependency

        return polars.from_arrow(frame)
    return frame


def _array(values: list[Json]) -> pa.Array:
    """A typed column where all values fit one type, JSON text otherwise."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if v is None else msgspec.json.encode(v).decode() for v in values], pa.string())


def _kind(table: object) -> str:
    """Package of the frame's class, without importing it."""
    return type(table).__module__.partition(".")[0]
