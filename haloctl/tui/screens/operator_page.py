"""Page 5: one operator: how far, how fast, how much of it shared, and all that ran for it by then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from engine.errors import HaloError
from engine.ir.ids import OperatorId, QueryIndex
from engine.live.state import OperatorLive
from haloctl.moment import Moment
from haloctl.operator_moments import OperatorMoments
from haloctl.operator_nodes import Fate, OperatorReader, Piece
from haloctl.operator_prefixes import Prefixes, together
from haloctl.tui.feeds import Feeds
from haloctl.tui.model import ViewState
from haloctl.tui.one_at_a_time import one_at_a_time
from haloctl.tui.pieces import plain_text
from haloctl.tui.projection.operator import (
    NODES,
    fact_lines,
    fate_cells,
    find,
    histogram,
    node_columns,
    running_node_cells,
)
from haloctl.tui.row_table import RowTable, place_of
from haloctl.tui.screens.opened import Opened
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.widgets.filter_table import FilterTable
from haloctl.tui.widgets.table import VTable

_NOTHING = "No operator chosen. Open one in the graph of page 1."
_READ_EVERY_S = 2.0
_STATE: Final = place_of(NODES, "state")


class _Wanted(NamedTuple):
    """What an operator's calls are read for, and what they depend on: read again when that is other."""

    operator: OperatorId
    settled: int
    running: int
    ended: bool
    moment: Moment | None


def _wanted(view: ViewState, live: OperatorLive) -> _Wanted:
    """At the end of a run all events are on disk too."""
    return _Wanted(live.id, live.settled, live.running, view.ended, view.moment)


def _next_piece(reader: OperatorReader | OperatorMoments, moment: Moment | None) -> Piece | None:
    """In a thread: what comes next on the way to a moment, or to now."""
    if isinstance(reader, OperatorReader):
        return reader.read()
    return None if moment is None else reader.read(moment)


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
        self._reader: OperatorReader | OperatorMoments | None = None
        self._in_flight: set[int] = set()
        self._read: _Wanted | None = None
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
            self._forget()
            return
        facts, latency = self.query_one("#facts", TextPanel), self.query_one("#latency", TextPanel)
        facts.show(fact_lines(view.shown, live, self._prefixes if self._shows == live.id else None))
        latency.show(histogram(live, latency.inner_width))
        wanted = _wanted(view, live)
        last = self._read
        other = last is None or (last.operator, last.moment) != (wanted.operator, wanted.moment)
        due = other or time.monotonic() - self._read_s > _READ_EVERY_S
        if wanted != self._read and due and view.directory:
            self._read_nodes(Path(view.directory), wanted)
        else:
            self._mark_running()

    @one_at_a_time(group="nodes")
    async def _read_nodes(self, directory: Path, wanted: _Wanted) -> None:
        """All there is to know by then, in pieces: the first calls are seen before the last ones are read."""
        table = self.query_one(FilterTable).table
        table.empty = "Reading the journal."
        reader = self._reader_for(directory, wanted)
        try:
            while (piece := await asyncio.to_thread(_next_piece, reader, wanted.moment)) is not None:
                if self.seen.operator != wanted.operator:
                    self._reader = None
                if self._reader is not reader:
                    break
                self._take(piece)
            self._mark_running(read=True)
        except HaloError as error:
            self._reader = None
            table.empty = error.message
            self._begin()
        finally:
            self._read, self._read_s = None if self._reader is None else wanted, time.monotonic()

    def _reader_for(self, directory: Path, wanted: _Wanted) -> OperatorReader | OperatorMoments:
        """The one that told of this operator so far, of now or of earlier moments; else another one."""
        kind = OperatorReader if wanted.moment is None else OperatorMoments
        if self._shows != wanted.operator or not isinstance(self._reader, kind):
            self._reader, self._shows = kind(directory, wanted.operator), wanted.operator
            self._begin()
        return self._reader

    def _begin(self) -> None:
        """Without rows."""
        self._rows, self._first_rows, self._prefixes = RowTable(NODES), [], Prefixes()
        self._in_flight.clear()
        self.query_one(FilterTable).show(self._rows)

    def _forget(self) -> None:
        """Nothing is known of the operator, or was not at the moment that is looked at."""
        if self._reader is not None:
            self._reader = self._read = self._shows = None
            self._begin()
            for panel in self.query(TextPanel):
                panel.show(())

    def _mark_running(self, *, read: bool = False) -> None:
        """Show what is in flight at the moment that is looked at. What is so no more is told of by the next
        reading; after one (`read`) nothing else is known of it: it waits again.
        """
        now = {} if self._reader is None or self.seen.ended else dict(self._running_numbers(self._reader))
        begun = {number: cells for number, cells in now.items() if self._state_of(number) == "pending"}
        over = [number for number in self._in_flight - now.keys() if self._state_of(number) == "running"]
        changed = {**begun, **({number: fate_cells(Fate()) for number in over} if read else {})}
        self._in_flight = (self._in_flight | begun.keys()) - (set(over) if read else set())
        for number, cells in changed.items():
            self._rows.put(number, cells)
        if changed:
            filtered = self.query_one(FilterTable)
            filtered.table.changed(changed)
            filtered.tell()

    def _running_numbers(
        self, reader: OperatorReader | OperatorMoments
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of calls in flight, and their cells."""
        shown, moment = self.seen.shown, self.seen.moment
        for node in shown.running:
            if isinstance(reader, OperatorReader):
                number = reader.number_of(node.node)
            else:
                number = None if moment is None else reader.number_of(node.node, moment)
            if number is not None and number < self._rows.count:
                yield number, running_node_cells(shown, node)

    def _state_of(self, number: int) -> str:
        return self._rows.cells(number)[_STATE]

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
