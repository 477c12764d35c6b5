"""A few rows that are made anew every time: workers, queues, epochs, steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from haloctl.tui.columns import Order
from haloctl.tui.filter_language import Conditions
from haloctl.tui.row_table import Column, RowTable

Cells = Mapping[str, Any]
"""A row's values by the keys of its columns."""


class ListRows:
    """Rows as a table view takes them; `replace` gives other ones, and says which differ.

    Filters and orders read all rows: for hundreds, not for a hundred thousand.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.values: tuple[Cells, ...] = ()
        self._table = RowTable(columns)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.values)

    def replace(self, rows: Iterable[Cells]) -> tuple[int, ...]:
        """Other rows in place of these; the numbers of those that look different now."""
        before, self.values = self.values, tuple(rows)
        same = min(len(before), len(self.values))
        changed = [row for row in range(same) if before[row] != self.values[row]]
        changed += range(same, max(len(before), len(self.values)))
        if changed:
            self._table = RowTable(self.columns)
            self._table.extend(
                {column.key: [row[column.key] for row in self.values] for column in self.columns}
            )
        return tuple(changed)

    def cells(self, row: int) -> tuple[str, ...]:
        """The text of a row's cells."""
        return self._table.cells(row)

    def names(self, key: str) -> tuple[str, ...] | None:
        """The names that a column of names can have, as far as they are known; None for other columns."""
        return self._table.names(key)

    def select(self, conditions: Conditions, sort: str | None, descending: bool) -> Order:
        """Numbers of the rows that meet all conditions, in order of column `sort` or as they came."""
        return self._table.select(conditions, sort, descending)
