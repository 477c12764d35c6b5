"""Page 5: one operator: how far, how fast, how much of it shared, and all that ran for it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from engine.errors import HaloError
from engine.ir.ids import OperatorId, QueryIndex
from haloctl.operator_nodes import OperatorReader, Piece
from haloctl.operator_prefixes import Prefixes, together
from haloctl.tui.feeds import Feeds
from haloctl.tui.model import ViewState
from haloctl.tui.one_at_a_time import one_at_a_time
from haloctl.tui.pieces import plain_text
from haloctl.tui.projection.operator import NODES, fact_lines, fate_cells, find, histogram, node_columns
from haloctl.tui.row_table import RowTable
from haloctl.tui.screens.opened import Opened
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.widgets.filter_table import FilterTable
from haloctl.tui.widgets.table import VTable

_NOTHING = "No operator chosen. Open one in the graph of page 1."
_READ_EVERY_S = 2.0


class OperatorPage(PageView):
    """Facts and a histogram at the left, nodes at the right."""

    FIRST: ClassVar[str] = "VTable"
    DEFAULT_CSS = """
    OperatorPage > Horizontal { height: 1fr; }
    OperatorPage #about { width: 2fr; min-width: 44; }
    OperatorPage #facts { height: 20; }
    OperatorPage #latency { height: 1fr; }
    OperatorPage #nodes { width: 3fr; }
    OperatorPage.-narrow > Horizontal { layout: vertical; }
    OperatorPage.-narrow #about { layout: horizontal; width: 100%; height: 12; }
    OperatorPage.-narrow #facts { width: 3fr; height: 100%; }
    OperatorPage.-narrow #latency { width: 2fr; height: 100%; }
    OperatorPage.-narrow #nodes { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "n", "other(1)", "Next", id="operator.next", show=False, tooltip="The operator after this one"
        ),
        Binding("N", "other(-1)", "Before", id="operator.before", show=False, tooltip="The operator before"),
    ]

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._rows = RowTable(NODES)
        self._first_rows: list[QueryIndex] = []
        self._reader: OperatorReader | None = None
        self._read: tuple[OperatorId, int, bool] | None = None
        self._read_s = 0.0
        self._shows: OperatorId | None = None
        """The operator whose calls stand in the table."""
        self._prefixes = Prefixes()

    def compose(self) -> ComposeResult:
        """Three panels."""
        with Horizontal():
            with Vertical(id="about"):
                yield TextPanel(title="Operator", empty=_NOTHING, id="facts")
                yield TextPanel(title="Time a call takes", empty="", id="latency")
            yield FilterTable(title="Calls", empty=_NOTHING, id="nodes")

    def on_mount(self) -> None:
        """Give the table its rows."""
        self.query_one(FilterTable).show(self._rows)

    def tick(self, view: ViewState) -> None:
        """Counts four times a second, nodes when they have changed, not oftener than every other second."""
        live = find(view.shown, view.operator)
        if live is None:
            return
        facts, latency = self.query_one("#facts", TextPanel), self.query_one("#latency", TextPanel)
        facts.show(fact_lines(view.shown, live, self._prefixes if self._shows == live.id else None))
        latency.show(histogram(live, latency.inner_width))
        wanted = (live.id, live.settled, view.ended)  # at the end all events are on disk too
        other = self._read is None or self._read[0] != live.id
        due = other or time.monotonic() - self._read_s > _READ_EVERY_S
        if wanted != self._read and due and view.directory:
            self._read_nodes(Path(view.directory), wanted)

    @one_at_a_time(group="nodes")
    async def _read_nodes(self, directory: Path, wanted: tuple[OperatorId, int, bool]) -> None:
        """All there is to know by now, in pieces: the first calls are seen before the last ones are read."""
        operator = wanted[0]
        table = self.query_one(FilterTable).table
        table.empty = "Reading the journal."
        if self._reader is None or self._read is None or self._read[0] != operator:
            self._reader = OperatorReader(directory, operator)
            self._begin()
            self._shows = operator
        try:
            while (piece := await asyncio.to_thread(self._reader.read)) is not None:
                if self.seen.operator != operator:
                    self._reader, wanted = None, (operator, -1, False)
                    break
                self._take(piece)
        except HaloError as error:
            self._reader = None
            table.empty = error.message
            self._begin()
        finally:
            self._read, self._read_s = wanted, time.monotonic()

    def _begin(self) -> None:
        """Without rows."""
        self._rows, self._first_rows, self._prefixes = RowTable(NODES), [], Prefixes()
        self.query_one(FilterTable).show(self._rows)

    def _take(self, piece: Piece) -> None:
        """Show what one reading brought."""
        if piece.anew:
            self._begin()
        self._prefixes = together(self._prefixes, piece.prefixes)
        self._rows.extend(node_columns(piece.new))
        self._first_rows += [node.rows[0] for node in piece.new]
        for number, fate in piece.changed:
            self._rows.put(number, fate_cells(fate))
        filtered = self.query_one(FilterTable)
        filtered.table.changed(number for number, _fate in piece.changed)
        filtered.tell()

    def copied(self) -> str:
        """The facts."""
        return plain_text(self.query_one("#facts", TextPanel).lines)

    @on(VTable.Selected)
    def _open_row(self, event: VTable.Selected) -> None:
        event.stop()
        self.post_message(Opened(query=self._first_rows[event.row]))

    def action_other(self, step: int) -> None:
        """To a neighbour in the order of the graph."""
        operators = [each.id for each in self.seen.shown.operators]
        at = operators.index(self.seen.operator) if self.seen.operator in operators else -1
        if 0 <= at + step < len(operators):
            self.post_message(Opened(operator=operators[at + step]))
