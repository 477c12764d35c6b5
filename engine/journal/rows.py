"""Result rows as bytes: one JSON object a line, or one CSV record."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import Protocol

import msgspec

from engine.ir.ids import Json
from engine.ir.result import Failure, QueryResult

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A spreadsheet takes cells that begin so as formulas (OWASP, CSV injection)."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_JSON = msgspec.json.Encoder()
FIXED_COLUMNS = ("row", "id", "status")
ERROR_COLUMNS = ("error_code", "error_message", "error_operator", "error_attempts")
USAGE_COLUMNS = ("prompt_tokens", "computed_tokens", "reused_tokens", "decoded_tokens")
MODELS_COLUMN = "models"


class RowFormat(Protocol):
    """How rows become bytes; `header` comes once, first."""

    header: bytes

    def line(self, result: QueryResult) -> bytes:
        """One row, line end included; never raises for plain JSON data."""
        ...


class JsonLines:
    """`{"row", "id", "status", "outputs", "error"}`, with `workflow`, `usage`, `models` where asked for."""

    header = b""

    def __init__(self, *, usage: bool = False, models: bool = False, workflow: bool = False) -> None:
        self._usage = usage
        self._models = models
        self._workflow = workflow

    def line(self, result: QueryResult) -> bytes:
        row: dict[str, Json] = {"row": result.index, "id": result.id}
        if self._workflow:
            row["workflow"] = result.workflow
        row |= {"status": result.status, "outputs": result.outputs, "error": error_fields(result.error)}
        if self._usage:
            row["usage"] = result.usage
        if self._models:
            row[MODELS_COLUMN] = result.models
        return json_bytes(row) + b"\n"


class CsvRows:
    r"""One column an output; nested values as compact JSON; cells that could be formulas are quoted.

    A NUL becomes `\x00` and a lone surrogate `\udxxx`: CSV has no escape for either.
    """

    def __init__(
        self, columns: tuple[str, ...], *, usage: bool = False, models: bool = False, workflow: bool = False
    ) -> None:
        self._columns = columns
        self._usage = usage
        self._models = models
        self._workflow = workflow
        self.header = _csv_record(column_names(columns, usage=usage, models=models, workflow=workflow))

    def line(self, result: QueryResult) -> bytes:
        outputs = result.outputs or {}
        cells: list[Json] = [result.index, result.id, result.status]
        if self._workflow:
            cells.append(result.workflow)
        cells += [outputs.get(name) for name in self._columns]
        error = error_fields(result.error) or {}
        cells += [error.get(name.removeprefix("error_")) for name in ERROR_COLUMNS]
        if self._usage:
            cells += [getattr(result.usage, name, None) for name in USAGE_COLUMNS]
        if self._models:
            cells.append(result.models)
        return _csv_record(tuple(_cell(cell) for cell in cells))


def column_names(outputs: tuple[str, ...], *, usage: bool, models: bool, workflow: bool) -> tuple[str, ...]:
    """Columns of a table of rows; an output named like a fixed column gets the prefix `output_`."""
    before = (*FIXED_COLUMNS, "workflow") if workflow else FIXED_COLUMNS
    after = ERROR_COLUMNS + (USAGE_COLUMNS if usage else ()) + ((MODELS_COLUMN,) if models else ())
    taken = {*before, *after}
    names = [f"output_{name}" if name in taken else name for name in outputs]
    return (*before, *names, *after)


def error_fields(failure: Failure | None) -> dict[str, Json] | None:
    """The `error` object of a row."""
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": failure.message,
        "operator": failure.operator,
        "attempts": failure.attempts,
    }


def json_bytes(value: Json) -> bytes:
    """Compact JSON of anything plain: non-finite numbers are null, lone surrogates are escaped."""
    try:
        return _JSON.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return json.dumps(_finite(msgspec.to_builtins(value)), separators=(",", ":")).encode()


def _finite(value: Json) -> Json:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _cell(value: Json) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json_bytes(value).decode()
    if value.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def _csv_record(cells: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([cell.replace("\0", "\\x00") for cell in cells])
    # csv quotes only those of \r and \n that its own line end holds, so it is left at \r\n until here.
    return text.getvalue().removesuffix("\r\n").encode("utf-8", "backslashreplace") + b"\n"
