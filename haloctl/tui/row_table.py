"""Rows of a table view: what a view asks of them, and a store by column for a hundred thousand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import numpy as np

from engine.ir.ids import Record
from haloctl.tui.columns import ChoiceColumn, NumberColumn, Order, TextColumn
from haloctl.tui.filter_language import Condition, Conditions, Contains, FieldKind
from haloctl.tui.scales import duration, quantity
from haloctl.tui.themes import STATES

ColumnKind = Literal["text", "choice", "state", "count", "quantity", "seconds"]
"""How a column is kept and shown: text, a name out of few, a state with its glyph, or a number."""

_FIELDS: Final[dict[ColumnKind, FieldKind]] = {
    "text": "text",
    "choice": "choice",
    "state": "choice",
    "count": "number",
    "quantity": "number",
    "seconds": "number",
}


class Column(Record, frozen=True, kw_only=True):
    """A column: `key` is its name in filters, `width` its cells; 0 means what the others leave."""

    key: str
    title: str
    kind: ColumnKind = "text"
    width: int = 0

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers, which stand at the right."""
        return _FIELDS[self.kind] == "number"


def place_of(columns: Sequence[Column], key: str) -> int:
    """Where the cell of a column stands among a row's. Raises ValueError for a column that is not there."""
    return [column.key for column in columns].index(key)


class Rows(Protocol):
    """What a table view asks of its rows, by number: rows are appended and changed, never moved."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns, left to right."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def cells(self, row: int) -> tuple[str, ...]:
        """The text of a row's cells, one a column; as it came, not yet safe for a terminal."""

    def names(self, key: str) -> tuple[str, ...] | None:
        """The names that a column of names can have, as far as they are known; None for other columns."""

    def select(self, conditions: Conditions, sort: str | None, descending: bool) -> Order:
        """Numbers of the rows that meet all conditions, in order of column `sort` or as they came."""


def fields_of(columns: Iterable[Column]) -> dict[str, FieldKind]:
    """Names and kinds of columns, as the filter language asks for them."""
    return {column.key: _FIELDS[column.kind] for column in columns}


class RowTable:
    """Rows kept by column: drawing reads a few, filtering and sorting read whole columns at once."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self._kept = {column.key: _store(column) for column in columns}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return min(len(kept) for kept in self._kept.values())

    def extend(self, values: Mapping[str, Iterable[Any]]) -> None:
        """Append rows, given by column: equally many values under each key. Numbers may be None."""
        given = {key: list(values[key]) for key in self._kept}
        if len({len(column) for column in given.values()}) > 1:
            raise ValueError(f"columns differ in length: { {key: len(given[key]) for key in given} }")
        for key, kept in self._kept.items():
            kept.extend(_numbers(given[key]) if isinstance(kept, NumberColumn) else given[key])

    def offer(self, key: str, names: Iterable[str]) -> None:
        """Names that a row can have in a column of names, in the order they sort in."""
        kept = self._kept[key]
        assert isinstance(kept, ChoiceColumn)
        kept.offer(names)

    def put(self, row: int, values: Mapping[str, Any]) -> None:
        """Change cells of a row."""
        for key, value in values.items():
            cell: Any = math.nan if value is None else value
            self._kept[key].put(row, cell)

    def cells(self, row: int) -> tuple[str, ...]:
        """The text of a row's cells."""
        return tuple(_shown(column, self._kept[column.key][row]) for column in self.columns)

    def names(self, key: str) -> tuple[str, ...] | None:
        """The names that a column of names can have, as far as they are known; None for other columns."""
        kept = self._kept[key]
        return kept.names() if isinstance(kept, ChoiceColumn) else None

    def select(self, conditions: Conditions = (), sort: str | None = None, descending: bool = False) -> Order:
        """Numbers of the rows that meet all conditions, in order of column `sort` or as they came."""
        mask = np.ones(self.count, dtype=np.bool_)
        for condition in conditions:
            mask &= self._meets(condition)[: len(mask)]
        rows = np.flatnonzero(mask)
        return rows if sort is None else self._kept[sort].order(rows, descending)

    def _meets(self, condition: Condition) -> Any:
        if isinstance(condition, Contains):
            mask = np.zeros(self.count, dtype=np.bool_)
            for key, kept in self._kept.items():
                if condition.field == key or (not condition.field and isinstance(kept, TextColumn)):
                    assert not isinstance(kept, NumberColumn)
                    mask |= kept.contains(condition.needles)
        else:
            numbers = self._kept[condition.field]
            assert isinstance(numbers, NumberColumn)
            mask = numbers.within(condition.ranges)
        return ~mask if condition.negated else mask


def _store(column: Column) -> TextColumn | ChoiceColumn | NumberColumn:
    if column.numeric:
        return NumberColumn()
    if column.kind == "text":
        return TextColumn()
    return ChoiceColumn(tuple(STATES) if column.kind == "state" else ())


def _numbers(values: Iterable[float | None]) -> list[Any]:
    return [math.nan if value is None else value for value in values]


def _shown(column: Column, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "–"
    match column.kind:
        case "seconds":
            return duration(value)
        case "quantity":
            return quantity(value)
        case _:
            return f"{value:,.0f}"
