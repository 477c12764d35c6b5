"""A table with the line below it that filters: `/` to type, a count while typing, faults in words."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.suggester import Suggester
from textual.widgets import Input

from haloctl.tui.filter_language import FilterFault, parse_filter, stray_name
from haloctl.tui.row_table import Rows, fields_of
from haloctl.tui.widgets.filter_line import FilterLine
from haloctl.tui.widgets.panel import title_of
from haloctl.tui.widgets.table import VTable


class _ColumnNames(Suggester):
    """Completes the name of a column at the end of a filter."""

    def __init__(self, table: VTable) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._table = table

    async def get_suggestion(self, value: str) -> str | None:
        word = value.split()[-1].removeprefix("-") if value and not value[-1].isspace() else ""
        for column in self._table.rows.columns:
            if word and column.key.startswith(word) and column.key != word:
                return value + column.key[len(word) :] + ":"
        return None


class FilterTable(Vertical):
    """A `VTable` and its filter. What a person types last stays in force while rows come."""

    DEFAULT_CSS = """
    FilterTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "Filter",
            id="table.filter",
            tooltip="Show only rows that match",
            key_display="/",
        ),
        Binding("escape", "clear", "All rows", id="table.clear", show=False, tooltip="Take the filter away"),
    ]

    def __init__(
        self, *, title: str = "", empty: str = "There are no rows yet.", id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self.table = VTable(title=title, empty=empty)
        self.fault: FilterFault | None = None
        self._line = FilterLine('words "a phrase" state:failed row:>100 -draft', _ColumnNames(self.table))

    def compose(self) -> ComposeResult:
        """The table, and one line below it."""
        yield self.table
        yield self._line

    def show(self, rows: Rows) -> None:
        """Show other rows, without a filter."""
        self.table.show(rows)
        self._close()

    @property
    def input(self) -> Input:
        """Where the filter is typed."""
        return self._line.input

    def action_filter(self) -> None:
        """Open the filter line."""
        self._line.open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a filter there is none to take away: the key means what it means around this widget."""
        return self._line.is_open if action == "clear" else True

    def action_clear(self) -> None:
        """Take the filter away."""
        self._close()
        self.table.focus()

    def _close(self) -> None:
        self._line.close()
        self._apply("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._apply(event.value)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        """Back to the rows."""
        event.stop()
        self.table.focus()

    def _apply(self, text: str) -> None:
        """Filter by `text`; of one with a fault, what stands before that is in force."""
        fields = fields_of(self.table.rows.columns)
        conditions = parse_filter(text, fields)
        self.fault = conditions if isinstance(conditions, FilterFault) else None
        if isinstance(conditions, FilterFault):
            conditions = parse_filter(text[: conditions.column], fields)
        assert not isinstance(conditions, FilterFault)  # the fault is the first one
        if conditions != self.table.conditions:
            self.table.filter(conditions)
        self.tell()

    @on(VTable.Arranged)
    def tell(self) -> None:
        """Say how many rows there are, in which order, and what in the filter can find none."""
        rows = self.table.rows
        wrong = self.fault.message if self.fault else stray_name(self.table.conditions, rows.names)
        self.table.border_subtitle = title_of(wrong) if wrong else ""
        self._line.tell(self.summary())

    def summary(self) -> str:
        """The line below the table in words: `12 of 500 · by tokens ▼ · following`."""
        table = self.table
        total = f"{table.rows.count:,}"
        said = [f"{table.count:,} of {total}" if table.conditions else f"{total} rows"]
        if table.sort is not None:
            titles = {column.key: column.title for column in table.rows.columns}
            said.append(f"by {titles[table.sort]} {'▼' if table.descending else '▲'}")
        if table.follows:
            said.append("following")
        return " · ".join(said)
