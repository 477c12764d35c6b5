"""Page 1: the graph above, lanes in the middle, queries and speed below."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from engine.ir.ids import OperatorId, QueryIndex
from engine.live.shape import RunShape
from haloctl.tui.feeds import Feeds
from haloctl.tui.model import ViewState
from haloctl.tui.projection.notice import notice
from haloctl.tui.projection.operators import graph_of, rows_of, status_of
from haloctl.tui.screens.charts_panel import ChartsPanel
from haloctl.tui.screens.opened import Opened
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.rows_panel import RowsPanel
from haloctl.tui.widgets.dag import DagView
from haloctl.tui.widgets.gantt import Gantt
from haloctl.tui.widgets.table import VTable


class OverviewPage(PageView):
    """All of a run at a glance."""

    FIRST: ClassVar[str] = "#graph"
    BINDINGS: ClassVar[list[BindingType]] = [
        # Hidden, as the table has the same in the footer where it has the focus.
        Binding(
            "slash", "filter", "Filter rows", id="table.filter", show=False, tooltip="Filter the queries"
        ),
    ]
    DEFAULT_CSS = """
    OverviewPage > #graph { height: 5fr; }
    OverviewPage > Gantt { height: 8; max-height: 40%; }
    OverviewPage > #below { height: 4fr; }
    OverviewPage.-noticed > #lanes { display: none; }
    OverviewPage.-noticed.-tall > #lanes { display: block; }
    OverviewPage #rows { width: 2fr; }
    OverviewPage #charts { width: 1fr; min-width: 40; }
    OverviewPage.-narrow #charts { display: none; }
    OverviewPage #waiting { display: none; }
    OverviewPage.-very-tall #waiting { display: block; }
    """

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._shape: RunShape | None = None

    def compose(self) -> ComposeResult:
        """Panels from top to bottom."""
        yield DagView(title="Operators", id="graph")
        yield Gantt(title="Workers and tools", id="lanes")
        with Horizontal(id="below"):
            yield RowsPanel(self.feeds, title="Queries", id="rows")
            yield ChartsPanel(id="charts")

    def show(self, view: ViewState) -> None:
        """Bring graph and lanes up to date."""
        super().show(view)
        state = view.shown
        self.set_class(bool(notice(view)[2]), "-noticed")
        graph, gantt = self.query_one(DagView), self.query_one(Gantt)
        if state.shape is not self._shape:
            self._shape = state.shape
            shown = graph_of(state.shape)
            graph.set_graph(shown)
            graph.styles.max_height = rows_of(shown)
        graph.show(map(status_of, state.operators))
        lanes = max(1, len(self.feeds.timeline.lanes))
        gantt.styles.height = lanes * (2 if self.has_class("-tall") else 1) + 5
        if gantt.timeline is not self.feeds.timeline:
            gantt.show(self.feeds.timeline)
        gantt.over = view.ended
        gantt.changed()

    def tick(self, view: ViewState) -> None:
        """Bring rows and speed up to date."""
        self.query_one(RowsPanel).follow_rows()
        self.query_one(ChartsPanel).show_series(view.shown.series)

    def action_filter(self) -> None:
        """From wherever on the page: there is one table to filter."""
        self.query_one(RowsPanel).action_filter()

    @on(DagView.Selected)
    def _open_operator(self, event: DagView.Selected) -> None:
        event.stop()
        self.post_message(Opened(operator=OperatorId(event.operator)))

    @on(VTable.Selected)
    def _open_query(self, event: VTable.Selected) -> None:
        event.stop()
        self.post_message(Opened(query=QueryIndex(event.row)))
