"""Page 3: all rows, filtered and sorted, and what can be done with one."""

from __future__ import annotations

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.ir.ids import QueryIndex
from engine.live.state import QueryStatus
from haloctl.tui.feeds import Feeds
from haloctl.tui.model import ViewState
from haloctl.tui.projection.queries import COLUMNS
from haloctl.tui.row_table import place_of
from haloctl.tui.screens import orders
from haloctl.tui.screens.opened import Asked, Opened
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.rows_panel import RowsPanel
from haloctl.tui.widgets.table import VTable

_ID: Final = place_of(COLUMNS, "id")


class QueriesPage(PageView):
    """The run's rows."""

    FIRST: ClassVar[str] = "VTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "requeue", "Requeue", id="queries.requeue", tooltip="Run this row again if it failed"),
        Binding("x", "cancel_row", "Cancel", id="queries.cancel", tooltip="End this row now, as failed"),
    ]

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)

    def compose(self) -> ComposeResult:
        """One table."""
        yield RowsPanel(self.feeds, title="Queries", id="all-rows")

    def tick(self, view: ViewState) -> None:
        """Rows, a few times a second."""
        self.query_one(RowsPanel).follow_rows()

    @property
    def row(self) -> QueryIndex | None:
        """The row under the cursor."""
        row = self.query_one(VTable).cursor_row
        return None if row is None else QueryIndex(row)

    def copied(self) -> str:
        """The row under the cursor, cell by cell."""
        return "" if self.row is None else "\t".join(self.feeds.rows.cells(self.row))

    @on(VTable.Selected)
    def _open(self, event: VTable.Selected) -> None:
        event.stop()
        self.post_message(Opened(query=QueryIndex(event.row)))

    def action_requeue(self) -> None:
        """This row once more, or all that failed if this one did not."""
        row = self.row
        statuses = self.seen.live.queries
        failed = row is not None and row < len(statuses) and statuses[row] >= QueryStatus.FAILED
        chosen = (row,) if failed and row is not None else ()
        self.post_message(Asked(orders.requeue(self.seen, chosen)))

    def action_cancel_row(self) -> None:
        """End this row, after a yes."""
        if self.row is not None:
            name = self.feeds.rows.cells(self.row)[_ID]
            self.post_message(Asked(*orders.cancel_query(self.row, name)))
