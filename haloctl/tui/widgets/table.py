"""A virtual table: keys and mouse over any number of rows, of which only those on the screen are drawn."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from haloctl.tui.filter_language import Conditions
from haloctl.tui.table_layout import scrolled_to
from haloctl.tui.widgets.table_canvas import TableCanvas


class VTable(TableCanvas):
    """Rows to look through: a cursor, sorting by the chosen column, and following what is appended.

    Give it rows with `show`; after they changed call `changed`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="table.up", show=False, tooltip="To the row above"),
        Binding("down,j", "move(1)", "Down", id="table.down", show=False, tooltip="To the row below"),
        Binding(
            "pageup,ctrl+u", "page(-1)", "Page up", id="table.page_up", show=False, tooltip="A screenful up"
        ),
        Binding(
            "pagedown,ctrl+d",
            "page(1)",
            "Page down",
            id="table.page_down",
            show=False,
            tooltip="A screenful down",
        ),
        Binding("home,g", "edge(-1)", "First row", id="table.first", show=False, tooltip="To the first row"),
        Binding("end,G", "edge(1)", "Last row", id="table.last", show=False, tooltip="To the last row"),
        Binding(
            "left,h",
            "column(-1)",
            "Column to the left",
            id="table.left",
            show=False,
            tooltip="Choose the column to the left",
        ),
        Binding(
            "right,l",
            "column(1)",
            "Column to the right",
            id="table.right",
            show=False,
            tooltip="Choose the column to the right",
        ),
        Binding("s", "sort", "Sort", id="table.sort", tooltip="Sort by the chosen column: up, down, not"),
        Binding("f", "follow", "Follow", id="table.follow", tooltip="Stay at the last row as rows come"),
        Binding("enter", "open", "Open", id="table.open", tooltip="Open the row under the cursor"),
    ]

    class Highlighted(Message):
        """The cursor came to another row; `row` is its number."""

        def __init__(self, table: VTable, row: int) -> None:
            super().__init__()
            self.table = table
            self.row = row

        @property
        def control(self) -> VTable:
            """The table it happened in."""
            return self.table

    class Selected(Highlighted):
        """A row was opened."""

    class Arranged(Message):
        """Filter, order or following changed, or the number of rows shown."""

        def __init__(self, table: VTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> VTable:
            """The table it happened in."""
            return self.table

    def filter(self, conditions: Conditions) -> None:
        """Show only rows that meet `conditions`; none shows all."""
        self.conditions = conditions
        self.select(otherwise=0)

    def sort_by(self, key: str | None, descending: bool = False) -> None:
        """Order rows by a column, or as they came; the cursor goes to the first row unless it follows."""
        self.sort, self.descending = key, descending
        self.select()
        self.move_to(self.cursor if self.follows else 0)

    def select(self, otherwise: int | None = None) -> None:
        """Find the rows to show, and tell how many they are, and the row the cursor came to."""
        before = self.cursor_row if self.cursor < self.count else None
        super().select(otherwise)
        self.post_message(self.Arranged(self))
        row = self.cursor_row
        if row is not None and row != before:
            # Later, as the table's own: a message made while its parent handles another ends at the parent.
            self.call_later(self._tell_row, row)

    def _tell_row(self, row: int) -> None:
        self.post_message(self.Highlighted(self, row))

    def fit_rows(self) -> None:
        """Take in how many rows there are, and tell."""
        before = self.virtual_size.height
        super().fit_rows()
        if before != self.virtual_size.height:
            self.post_message(self.Arranged(self))

    def move_to(self, position: int) -> None:
        """Put the cursor on the row at a position; leaving the last row ends following."""
        if not self.count:
            return
        before, self.cursor = self.cursor, min(max(0, position), self.count - 1)
        if self.follows and self.cursor < self.count - 1:
            self.follows = False
            self.post_message(self.Arranged(self))
        self.reveal()
        if before != self.cursor:
            self.refresh_position(before)
            self.refresh_position(self.cursor)
            self.post_message(self.Highlighted(self, self.row_at(self.cursor)))

    def action_move(self, rows: int) -> None:
        """Move the cursor by rows."""
        self.move_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screens."""
        self.move_to(self.cursor + pages * max(1, self.inner_height - 2))

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        self.move_to(0 if direction < 0 else self.count - 1)

    def action_column(self, step: int) -> None:
        """Choose another column to sort by; what is off the screen comes in."""
        columns = self.rows.columns
        self.chosen_column = min(max(0, self.chosen_column + step), len(columns) - 1)
        first = scrolled_to(columns, self.inner_width - 2, self.first_column, self.chosen_column)
        if first != self.first_column:
            self.first_column = first
            self._drawn.clear()
        self.refresh()

    def action_sort(self) -> None:
        """Sort by the chosen column: upward, then downward, then not at all."""
        key = self.rows.columns[self.chosen_column].key
        if self.sort != key:
            self.sort_by(key)
        elif not self.descending:
            self.sort_by(key, descending=True)
        else:
            self.sort_by(None)

    def action_follow(self) -> None:
        """Stay at the last row as rows come, or do not."""
        self.follows = not self.follows
        if self.follows:
            self.move_to(self.count - 1)
        self.post_message(self.Arranged(self))

    def action_open(self) -> None:
        """Tell which row is to be opened."""
        row = self.cursor_row
        if row is not None:
            self.post_message(self.Selected(self, row))

    def on_click(self, event: events.Click) -> None:
        """A click on the header sorts, one on a row goes there, a second one opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_header(offset.x - 1)
            return
        position = offset.y - 1 + self.scroll_offset.y
        if position < self.count:
            self.move_to(position)
            if event.chain == 2:
                self.action_open()

    def _click_header(self, x: int) -> None:
        for column in self.placed:
            if column.x <= x < column.x + column.width:
                self.chosen_column = column.index
                self.action_sort()
                self.refresh()


class ReadTable(VTable):
    """A table whose rows have nothing behind them to be opened."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter means nothing here."""
        return action != "open"
