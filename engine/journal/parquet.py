"""Parquet from the spool: two passes over its lines, so that memory stays flat, then one atomic rename."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import JournalError
from engine.ir.ids import Json
from engine.journal.output_target import OutputTarget
from engine.journal.records import OutputClaim
from engine.journal.rows import FIXED_COLUMNS, MODELS_COLUMN, USAGE_COLUMNS, column_names, json_bytes
from engine.journal.statements import clean_text
from engine.journal.store import RunStore, sync_directory
from engine.journal.view import RunView

BATCH_ROWS = 4096
_ERROR_FIELDS = ("code", "message", "operator", "attempts")
_INT64 = range(-(1 << 63), 1 << 63)
_EXACT_IN_FLOAT = range(-(1 << 53), (1 << 53) + 1)
_SCALARS = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
}


def write_parquet(store: RunStore, spool: Path, target: OutputTarget) -> None:
    """Write `target.path` from the JSON lines of `spool`; it appears complete or not at all.

    Numbers, truth values and text keep their types, lists of one of them become lists; a column with
    anything else, or with a mix that one type cannot hold exactly, holds JSON text. Raises ConfigError
    when a file of that name has appeared, JournalError on I/O.
    """
    path = Path(target.path).absolute()
    with RunView(store.directory) as view:
        target.require_free(view.published())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write(spool, temporary, target)
        _claim(store, path, temporary)
        os.replace(temporary, path)
    except (OSError, pa.ArrowException) as error:
        temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise JournalError(f"cannot write {path}: {reason}", fix="free space, then resume the run") from error
    sync_directory(path.parent)


def _claim(store: RunStore, path: Path, temporary: Path) -> None:
    """Before the rename, so that a crash behind it does not leave the run a stranger to its own file."""
    status = temporary.stat()
    claim = OutputClaim(path=str(path), device=status.st_dev, inode=status.st_ino, published=True)
    store.wait_durable(store.append(claim))


def _write(spool: Path, temporary: Path, target: OutputTarget) -> None:
    kinds: dict[str, str] = {}
    for rows in _batches(spool):
        for row in rows:
            for name, value in (row["outputs"] or {}).items():
                kinds[name] = _join(kinds.get(name, "null"), _kind(value))
    schema = _schema(target, kinds)
    with temporary.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in _batches(spool):
                writer.write_table(_table(rows, schema, target, kinds))
        file.flush()
        os.fsync(file.fileno())


def _schema(target: OutputTarget, kinds: dict[str, str]) -> Any:
    names = column_names(target.columns, usage=target.usage, models=target.models, workflow=target.workflow)
    integers = {"row", "error_attempts", *USAGE_COLUMNS}
    fields = [pa.field(name, pa.int64() if name in integers else pa.string()) for name in names]
    first = len(FIXED_COLUMNS) + target.workflow
    for place, output in enumerate(target.columns, first):
        fields[place] = pa.field(names[place], _arrow_type(kinds.get(output, "null")))
    return pa.schema(fields)


def _table(rows: list[dict[str, Json]], schema: Any, target: OutputTarget, kinds: dict[str, str]) -> Any:
    columns: list[list[Json]] = [[row[name] for row in rows] for name in FIXED_COLUMNS]
    if target.workflow:
        columns.append([row["workflow"] for row in rows])
    for output in target.columns:
        as_text = kinds.get(output) == "json"
        values = [(row["outputs"] or {}).get(output) for row in rows]
        columns.append([_json_text(value) if as_text else value for value in values])
    columns += [[(row["error"] or {}).get(name) for row in rows] for name in _ERROR_FIELDS]
    if target.usage:
        columns += [[(row["usage"] or {}).get(name) for row in rows] for name in USAGE_COLUMNS]
    if target.models:
        columns.append([_json_text(row.get(MODELS_COLUMN)) for row in rows])
    arrays = [pa.array(_clean(values), field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _kind(value: Json) -> str:
    """`null`, a scalar's name, `list:` with the elements' kind, or `json`. `long` fits no float exactly."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if value in _EXACT_IN_FLOAT else "long" if value in _INT64 else "json"
    if isinstance(value, list):
        element = "null"
        for item in value:
            element = _join(element, _kind(item))
        return f"list:{element}" if element in _SCALARS or element == "null" else "json"
    return {float: "float", str: "str"}.get(type(value), "json")


def _join(left: str, right: str) -> str:
    """The narrowest kind that holds both."""
    if left == right or right == "null":
        return left
    if left == "null":
        return right
    if {left, right} == {"int", "float"}:
        return "float"
    if {left, right} == {"int", "long"}:
        return "long"
    if left.startswith("list:") and right.startswith("list:"):
        element = _join(left[5:], right[5:])
        return "json" if element == "json" else f"list:{element}"
    return "json"


def _arrow_type(kind: str) -> Any:
    if kind.startswith("list:"):
        return pa.list_(_SCALARS.get(kind[5:], pa.string()))
    return _SCALARS.get(kind, pa.string())


def _json_text(value: Json) -> str | None:
    return None if value is None else json_bytes(value).decode()


def _clean(values: list[Json]) -> list[Json]:
    """Arrow text is UTF-8: lone surrogates become escapes."""
    return [_clean(v) if isinstance(v, list) else clean_text(v) if isinstance(v, str) else v for v in values]


def _batches(spool: Path) -> Iterator[list[dict[str, Json]]]:
    rows: list[dict[str, Json]] = []
    with spool.open("rb") as lines:
        for line in lines:
            rows.append(_row(line))
            if len(rows) == BATCH_ROWS:
                yield rows
                rows = []
    yield rows


def _row(line: bytes) -> dict[str, Json]:
    """Lines of our own; the standard library reads the lone surrogates that msgspec rejects."""
    row: dict[str, Json]
    try:
        row = msgspec.json.decode(line)
    except msgspec.DecodeError:
        row = json.loads(line)
    return row
