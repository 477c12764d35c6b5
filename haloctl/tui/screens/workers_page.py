"""Page 2: what each worker has in hand, what waits for it, and its log."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size

from engine.ir.ids import QueryIndex
from haloctl.tui.feeds import Feeds
from haloctl.tui.list_rows import ListRows
from haloctl.tui.model import ViewState
from haloctl.tui.pieces import log_line
from haloctl.tui.projection.notice import notice
from haloctl.tui.projection.workers import (
    QUEUES,
    RUNNING,
    WORKERS,
    log_title,
    queue_cells,
    running_cells,
    worker_cells,
)
from haloctl.tui.run_logs import LogTail
from haloctl.tui.screens import orders
from haloctl.tui.screens.charts_panel import ChartsPanel
from haloctl.tui.screens.follow_panel import FollowPanel
from haloctl.tui.screens.opened import Asked, Opened
from haloctl.tui.screens.page import PageView
from haloctl.tui.widgets.gantt import Gantt
from haloctl.tui.widgets.panel import title_of
from haloctl.tui.widgets.table import ReadTable, VTable

LOG_LINES = 100
_MOST_LANE_LINES = 14
_CHARTED = 44
"""Lines of a terminal from which how many wait over time is drawn below the queues."""


class WorkersPage(PageView):
    """Workers and kinds of tools: health, load and queues."""

    FIRST: ClassVar[str] = "#workers"
    DEFAULT_CSS = """
    WorkersPage > #workers { height: auto; max-height: 40%; min-height: 4; }
    WorkersPage > #middle { height: 1fr; }
    WorkersPage #running { width: 3fr; }
    WorkersPage #side { width: 2fr; }
    WorkersPage.-narrow #side { display: none; }
    WorkersPage #queues { height: 1fr; }
    WorkersPage #charts { height: 1fr; display: none; }
    WorkersPage.-charted #charts { display: block; }
    WorkersPage #speed, WorkersPage #reuse { display: none; }
    WorkersPage.-very-tall #speed, WorkersPage.-very-tall #reuse { display: block; }
    WorkersPage > #lanes { display: none; height: 1fr; }
    WorkersPage.-tall > #lanes { display: block; }
    WorkersPage > #bottom { height: 6; }
    WorkersPage #log { width: 1fr; height: 1fr; }
    WorkersPage #queues-below { width: 40; height: 1fr; display: none; }
    WorkersPage.-narrow #queues-below { display: block; }
    WorkersPage.-narrow > #bottom { height: 8; }
    WorkersPage.-tall > #bottom { height: 10; }
    WorkersPage.-noticed > #middle { display: none; }
    WorkersPage.-noticed > #bottom { height: 1fr; }
    WorkersPage.-noticed.-tall > #middle { display: block; }
    WorkersPage.-noticed.-tall > #bottom { height: 10; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "R", "restart", "Restart", id="workers.restart", tooltip="Kill this worker and start it anew"
        ),
    ]

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._worker_rows, self._queue_rows, self._node_rows = (
            ListRows(WORKERS),
            ListRows(QUEUES),
            ListRows(RUNNING),
        )
        self._log: LogTail | None = None
        self._log_lines: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Workers above, then what runs beside what waits, then the log of the worker under the cursor.

        What waits stands beside the log where the terminal is too narrow for it to stand beside what runs.
        """
        yield VTable(title="Workers", empty="No worker has started yet.", id="workers")
        yield Gantt(title="Lanes", id="lanes")
        with Horizontal(id="middle"):
            yield VTable(title="Running now", id="running")
            with Vertical(id="side"):
                yield ReadTable(title="Queues", empty="No queues yet.", id="queues")
                yield ChartsPanel(id="charts")
        with Horizontal(id="bottom"):
            yield FollowPanel(title="Log", empty="The worker has written nothing.", id="log")
            yield ReadTable(title="Queues", empty="No queues yet.", id="queues-below")

    def on_mount(self) -> None:
        """Give the tables their rows."""
        for name, rows in (
            ("workers", self._worker_rows),
            ("running", self._node_rows),
            ("queues", self._queue_rows),
            ("queues-below", self._queue_rows),
        ):
            self.query_one(f"#{name}", VTable).show(rows)

    def fit(self, size: Size) -> None:
        """There is room for what waits over time before there is for all charts."""
        super().fit(size)
        self.set_class(size.height >= _CHARTED, "-charted")

    def show(self, view: ViewState) -> None:
        """Lanes move with the run."""
        super().show(view)
        self.set_class(bool(notice(view)[2]), "-noticed")
        gantt = self.query_one(Gantt)
        if gantt.timeline is not self.feeds.timeline:
            gantt.show(self.feeds.timeline)
        lanes = max(1, len(self.feeds.timeline.lanes))
        gantt.styles.max_height = min(_MOST_LANE_LINES, 2 * lanes + 5)
        gantt.over = view.ended
        gantt.changed()

    def tick(self, view: ViewState) -> None:
        """Tables and log, a few times a second."""
        state, now_s = view.shown, view.now_s
        workers = self.query_one("#workers", VTable)
        workers.changed(self._worker_rows.replace(worker_cells(state, now_s)))
        workers.styles.height = max(4, len(state.workers) + 3)
        running = self.query_one("#running", VTable)
        running.changed(self._node_rows.replace(running_cells(state, now_s)))
        running.border_title = "Under way when it ended" if view.ended else "Running now"
        running.empty = "Nothing was under way." if view.ended else "Nothing runs just now."
        queues = self.query_one("#queues", VTable)
        other = self._queue_rows.replace(queue_cells(state))
        for table in (queues, self.query_one("#queues-below", VTable)):
            table.changed(other)
        # Where there are charts below the queues, these get no more lines than they fill.
        queues.styles.max_height = max(4, queues.count + 3) if self.has_class("-charted") else None
        self.query_one(ChartsPanel).show_series(state.series)
        if view.directory:
            self._read_log(Path(view.directory))

    @property
    def worker(self) -> str | None:
        """The worker under the cursor."""
        row = self.query_one("#workers", VTable).cursor_row
        return (
            None if row is None or row >= self._worker_rows.count else self._worker_rows.values[row]["worker"]
        )

    def _read_log(self, directory: Path) -> None:
        path = directory / "workers" / f"{self.worker}.log"
        if self._log is None or self._log.path != path:
            self._log, self._log_lines = LogTail(path), ()
        new = self._log.read()
        panel = self.query_one("#log", FollowPanel)
        if new or not self._log_lines:
            self._log_lines = (*self._log_lines, *new)[-LOG_LINES:]
            panel.show(tuple(map(log_line, self._log_lines)))
        panel.border_title = title_of(log_title(self.seen.shown, self.worker))
        panel.keep_up()

    @on(VTable.Selected, "#workers")
    def _open_log(self, event: VTable.Selected) -> None:
        event.stop()
        if self.worker is not None:
            self.post_message(Opened(worker=self.worker))

    @on(VTable.Selected, "#running")
    def _open_row(self, event: VTable.Selected) -> None:
        event.stop()
        row = self._node_rows.values[event.row]["row"]
        if row != "–":
            self.post_message(Opened(query=QueryIndex(int(row[1:]))))

    def action_restart(self) -> None:
        """Ask to restart the worker under the cursor."""
        if self.worker is not None:
            self.post_message(Asked(*orders.restart_worker(self.worker)))
