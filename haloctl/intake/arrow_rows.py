"""Parquet files and frames in memory: Arrow record batches, turned into rows a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InputError
from haloctl.intake.rows import Row
from tools.sql.values import to_json

BATCH_ROWS = 1024


class ArrowTable:
    """Record batches with a schema. Cells become JSON as database values do."""

    textual = False

    def __init__(
        self,
        name: str,
        schema: Any,
        batches: Iterator[Any],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.columns: tuple[str, ...] = tuple(schema.names)
        self._batches = batches
        self._close = close

    def close(self) -> None:
        self._close()

    def rows(self) -> Iterator[Row]:
        number = 0
        try:
            for batch in self._batches:
                for values in _python_rows(batch):
                    number += 1
                    place = f"row {number}"
                    if isinstance(values, str):
                        yield Row(place, None, values)
                    else:
                        yield Row(place, {name: to_json(value) for name, value in values.items()})
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{self.name} breaks off after row {number}: {error}", fix="write the file again"
            ) from error


_UNREADABLE = (ValueError, OverflowError, pa.ArrowException)
"""A date beyond the year 9999, text that is not UTF-8, a time zone nobody knows."""


def _python_rows(batch: Any) -> Iterator[dict[str, Any] | str]:
    """The rows of a batch; where one cannot be read, the reason stands in its place."""
    try:
        yield from batch.to_pylist()
    except _UNREADABLE:
        for position in range(batch.num_rows):
            try:
                yield batch.slice(position, 1).to_pylist()[0]
            except _UNREADABLE as error:
                yield f"a cell cannot be read: {error}"


def open_parquet(path: Path) -> ArrowTable:
    """A Parquet file, read by row group. Raises InputError when it is none."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is not a Parquet file: {error}", fix="check the file or its format"
        ) from error
    return ArrowTable(str(path), file.schema_arrow, file.iter_batches(BATCH_ROWS), file.close)


def open_frame(frame: object, name: str = "table") -> ArrowTable:
    """An Arrow table or reader, a pandas or a polars frame. Raises InputError for anything else."""
    if not hasattr(frame, "__arrow_c_stream__"):
        raise InputError(
            f"cannot read queries from a {type(frame).__name__}",
            fix="pass a path, an Arrow table, or a pandas or polars frame",
        )
    reader = pa.RecordBatchReader.from_stream(frame)
    pieces = (part for batch in reader for part in _slices(batch))
    return ArrowTable(name, reader.schema, pieces)


def _slices(batch: Any) -> Iterator[Any]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch.slice(start, BATCH_ROWS)
