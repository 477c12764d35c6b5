"""Page 4: one row's path through the run, read from the journal, as of the moment that is looked at."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize

from engine.errors import HaloError
from engine.ir.ids import OperatorId, QueryIndex
from engine.ir.result import RowStatus
from engine.journal.view import RunView
from haloctl.moment import Moment
from haloctl.query_path import PathReader, QueryPath
from haloctl.tui.feeds import Feeds
from haloctl.tui.list_rows import ListRows
from haloctl.tui.model import ViewState
from haloctl.tui.one_at_a_time import one_at_a_time
from haloctl.tui.pieces import Line, line, plain_text
from haloctl.tui.projection.query import (
    STEPS,
    ended_as,
    path_lines,
    row_state,
    step_cells,
    step_lines,
    with_running,
)
from haloctl.tui.screens import orders
from haloctl.tui.screens.opened import Asked, Opened
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.widgets.panel import title_of
from haloctl.tui.widgets.table import VTable

_NOTHING = "No row chosen. Open one on page 3, or below the graph of page 1."
_WHOLE = "the row"


class _Wanted(NamedTuple):
    """What a row's path is read for, and what it depends on: it is read again when that is other."""

    directory: str
    row: QueryIndex
    ended: RowStatus | None
    settled: int
    over: bool
    attempt: tuple[bool, int, int, float]


def _wanted(view: ViewState, row: QueryIndex) -> _Wanted:
    """By how far the row is, and by the attempt and its windows: each numbers nodes in its own way. What was
    told may not have been on disk yet: at the end of a run it is.
    """
    state = view.shown
    begun_s = state.windows[0].planned_s if state.windows else 0.0
    return _Wanted(
        directory=view.directory,
        row=row,
        ended=ended_as(row, state.queries),
        settled=state.steps[row] if row < len(state.steps) else 0,
        over=view.ended,
        attempt=(view.moment is not None, state.attempt, len(state.windows), begun_s),
    )


class QueryPage(PageView):
    """Steps at the left, what stands behind the chosen one at the right."""

    FIRST: ClassVar[str] = "VTable"
    DEFAULT_CSS = """
    QueryPage > Horizontal { height: 1fr; }
    QueryPage #steps { width: 2fr; }
    QueryPage #step { width: 3fr; }
    QueryPage.-narrow > Horizontal { layout: vertical; }
    QueryPage.-narrow #steps { width: 100%; height: 2fr; }
    QueryPage.-narrow #step { width: 100%; height: 3fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "requeue", "Requeue", id="query.requeue", tooltip="Run this row again if it failed"),
        Binding("x", "cancel_row", "Cancel", id="query.cancel", tooltip="End this row now, as failed"),
        Binding("n", "other(1)", "Next row", id="query.next", show=False, tooltip="The row after this one"),
        Binding(
            "N", "other(-1)", "Row before", id="query.before", show=False, tooltip="The row before this one"
        ),
        Binding("o", "operator", "Operator", id="query.operator", tooltip="The operator of this step"),
    ]

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._read: _Wanted | None = None
        self._kept: QueryPath | None = None
        """As the journal has it; `_path` is with what runs now."""
        self._path: QueryPath | None = None
        self._paths = PathReader()
        self._fault = ""
        self._steps = ListRows(STEPS)

    def compose(self) -> ComposeResult:
        """Steps and text."""
        with Horizontal():
            yield VTable(title="Path", empty=_NOTHING, id="steps")
            yield TextPanel(title="Row", empty="", id="step")

    def on_mount(self) -> None:
        """Give the table its rows."""
        self.query_one(VTable).show(self._steps)

    def tick(self, view: ViewState) -> None:
        """Read the journal again when the row got on, or back; show what has begun to run meanwhile."""
        if view.query is None or not view.directory:
            return
        if self._kept is not None and self._as_it_runs(self._kept) != self._path:
            self._show_path()
        wanted = _wanted(view, view.query)
        if wanted != self._read:
            self._read_path(wanted, view.moment)

    @one_at_a_time(group="path")
    async def _read_path(self, wanted: _Wanted, moment: Moment | None) -> None:
        row, more = wanted.row, True
        read = partial(_read, self._paths, wanted, moment)
        if self._kept is None or self._kept.index != row:
            self._steps.replace(())
            self._kept, self._path, self._fault = None, None, ""
            self._show_text()
        try:
            while more and self.seen.query == row:
                more, self._kept = await asyncio.to_thread(read)
                self._fault = "" if self._kept else "This row is not planned yet."
                self._show_path()
        except HaloError as error:
            self._kept, self._fault, more = None, error.message, False
            self._show_path()
        finally:
            self._read = None if more else wanted

    def _as_it_runs(self, path: QueryPath) -> QueryPath:
        """With what is in flight at the moment that is looked at."""
        return path if self.seen.ended else with_running(path, self.seen.shown)

    def _show_path(self) -> None:
        table = self.query_one(VTable)
        self._path = None if self._kept is None else self._as_it_runs(self._kept)
        cells = () if self._path is None else tuple(step_cells(self._path))
        whole = {
            "operator": _WHOLE,
            "state": "pending" if self._path is None else row_state(self._path, self.seen.shown.queries),
            "at": None,
            "took": None,
            "tokens": None,
            "shared": None,
        }
        table.changed(self._steps.replace((whole, *cells) if cells else ()))
        if self._path is not None:
            table.border_title = f"Path of row {self._path.index}"
        self._show_text()

    def _show_text(self) -> None:
        panel, at = self.query_one(TextPanel), self._step_index
        step = self._path.steps[at].operator if self._path is not None and at is not None else ""
        panel.border_title = title_of(step.rpartition("/")[2] or "Row")
        panel.show(self._lines(max(20, panel.inner_width - 1)))
        panel.empty = "" if self.seen.query is None else self._fault or "Reading the journal."
        panel.refresh()

    def _lines(self, width: int) -> tuple[Line, ...]:
        if self._path is None:
            return (line((self._fault, "bad")),) if self._fault else ()
        at = self._step_index
        return path_lines(self._path, width) if at is None else step_lines(self._path.steps[at], width)

    @property
    def _step_index(self) -> int | None:
        """The step under the cursor; None for the row as a whole."""
        at = self.query_one(VTable).cursor_row or 0
        return at - 1 if self._path is not None and 0 < at <= len(self._path.steps) else None

    @on(VTable.Highlighted)
    def _show_step(self, event: VTable.Highlighted) -> None:
        event.stop()
        self._show_text()
        self.query_one(TextPanel).scroll_home(animate=False)

    @on(VTable.Selected)
    def _go_to_text(self, event: VTable.Selected) -> None:
        event.stop()
        self.query_one(TextPanel).focus()

    def on_resize(self, event: Resize) -> None:
        """Fold the text to the new width."""
        super().on_resize(event)
        self.call_after_refresh(self._show_text)

    def copied(self) -> str:
        """The text at the right, unfolded."""
        return plain_text(self._lines(100_000))

    def action_requeue(self) -> None:
        """Run this row again."""
        if self.seen.query is not None:
            self.post_message(Asked(orders.requeue(self.seen, (self.seen.query,))))

    def action_cancel_row(self) -> None:
        """End this row, after a yes."""
        if self.seen.query is not None:
            name = "" if self._path is None else self._path.id
            self.post_message(Asked(*orders.cancel_query(self.seen.query, name)))

    def action_other(self, step: int) -> None:
        """To a neighbour of this row."""
        row = -1 if self.seen.query is None else self.seen.query
        if 0 <= row + step < len(self.seen.shown.queries):
            self.post_message(Opened(query=QueryIndex(row + step)))

    def action_operator(self) -> None:
        """To the operator of the step under the cursor."""
        at = self._step_index
        if at is not None and self._path is not None:
            self.post_message(Opened(operator=OperatorId(self._path.steps[at].operator)))


def _read(paths: PathReader, wanted: _Wanted, moment: Moment | None) -> tuple[bool, QueryPath | None]:
    """In a thread: a piece of the log, and the path as far as it is known by then; True if there is more."""
    with RunView(Path(wanted.directory)) as view:
        return paths.learn(view), paths.path(view, wanted.row, moment, wanted.ended)
