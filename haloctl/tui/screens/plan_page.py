"""Page 6: the plan, epochs by workers, beside what became of it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from haloctl.tui.feeds import Feeds
from haloctl.tui.list_rows import ListRows
from haloctl.tui.model import ViewState
from haloctl.tui.pieces import plain_text
from haloctl.tui.projection.plan import columns_of, epoch_cells, totals_lines, workers_of
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.widgets.table import ReadTable, VTable

_NOTHING = "Nothing is planned yet."


class PlanPage(PageView):
    """Totals above, epochs below."""

    FIRST: ClassVar[str] = "VTable"
    DEFAULT_CSS = """
    PlanPage > #totals { height: 7; }
    PlanPage > #epochs { height: 1fr; }
    """

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._grid: tuple[str, ...] | None = None
        self._rows = ListRows(columns_of(()))

    def compose(self) -> ComposeResult:
        """Two panels."""
        yield TextPanel(title="Planned and actual", empty=_NOTHING, id="totals")
        yield ReadTable(title="Epochs by workers", empty=_NOTHING, id="epochs")

    def tick(self, view: ViewState) -> None:
        """Times and states, four times a second."""
        state, table = view.shown, self.query_one(VTable)
        workers = workers_of(state.shape)
        if workers != self._grid:
            self._grid = workers
            self._rows = ListRows(columns_of(workers))
            table.show(self._rows)
        table.changed(self._rows.replace(epoch_cells(state, view.now_s, at_rest=view.ended)))
        if state.windows:
            self.query_one(TextPanel).show(totals_lines(state, view.now_s))

    def copied(self) -> str:
        """The totals."""
        return plain_text(self.query_one(TextPanel).lines)
