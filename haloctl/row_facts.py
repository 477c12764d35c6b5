"""What a table of rows says beside how they stand, read from a run's journal: ids, inputs, errors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from engine.ir.ids import Json, OperatorId, QueryIndex, Record
from engine.journal.view import RunView

_TEXT_LENGTH = 240


class RowName(Record, frozen=True, kw_only=True):
    """A row's id and the beginning of what it asks: the longest text among its inputs, or all of them."""

    row: QueryIndex
    id: str
    text: str


class RowError(Record, frozen=True, kw_only=True):
    """Why a row failed, as `code: message`, and the operator it failed in, where it was one."""

    text: str
    operator: OperatorId | None = None


def read_names(directory: Path, skip_windows: int = 0) -> tuple[int, tuple[RowName, ...]]:
    """How many windows are planned, and the rows of all but the first `skip_windows`.

    Raises JournalError.
    """
    windows, names = skip_windows, list[RowName]()
    with RunView(directory) as view:
        for record in view.plans(skip_windows):
            windows += 1
            names += [
                RowName(row=query.index, id=query.id[:_TEXT_LENGTH], text=gist(query.bindings))
                for query in record.plan.consolidated.queries
            ]
    return windows, tuple(names)


def read_errors(directory: Path, rows: Iterable[int]) -> dict[int, RowError]:
    """Why rows failed, by row; rows that did not are left out. Raises JournalError."""
    found = {}
    with RunView(directory) as view:
        for row in rows:
            result = view.query(QueryIndex(row))
            if result is not None and result.error is not None:
                text = f"{result.error.code}: {result.error.message}"[:_TEXT_LENGTH]
                found[row] = RowError(text=text, operator=result.error.operator)
    return found


def gist(bindings: dict[str, Json]) -> str:
    """The inputs of a row in a few words: its longest text, where one stands out as the question."""
    texts = [value for value in bindings.values() if isinstance(value, str) and not _address(value)]
    if texts:
        return max(texts, key=len)[:_TEXT_LENGTH]
    return msgspec.json.encode(bindings).decode()[:_TEXT_LENGTH]


def _address(text: str) -> bool:
    return text.startswith(("http://", "https://"))
