"""Page 7: what happened in the run, and what its processes wrote, line by line as it comes."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from engine.journal.folder import FILE_NAME
from haloctl.tui.feeds import Feeds
from haloctl.tui.list_rows import ListRows
from haloctl.tui.model import ViewState
from haloctl.tui.pieces import log_line
from haloctl.tui.row_table import Column
from haloctl.tui.run_logs import LogTail, log_files
from haloctl.tui.run_story import RunStory
from haloctl.tui.screens.follow_panel import FollowPanel
from haloctl.tui.screens.page import PageView
from haloctl.tui.widgets.table import VTable

LINES_KEPT = 20_000
_FILES = (Column(key="name", title="Log"), Column(key="size", title="Bytes", kind="quantity", width=6))


class LogsPage(PageView):
    """The run and its logs at the left, lines at the right. Scrolling up stops following."""

    FIRST: ClassVar[str] = "#lines"
    DEFAULT_CSS = """
    LogsPage > Horizontal { height: 1fr; }
    LogsPage #files { width: 26; }
    LogsPage #text { width: 1fr; }
    LogsPage Input { height: 1; border: none; padding: 0 1; display: none; background: $background; }
    LogsPage.-filtering Input { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="logs.filter", tooltip="Only lines with these words"),
        Binding("f", "follow", "Follow", id="logs.follow", tooltip="Stay at the last line as lines come"),
        Binding("escape", "all", "All lines", id="logs.all", show=False),
    ]

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._files = ListRows(_FILES)
        self._paths: tuple[Path, ...] = ()
        self._tail: LogTail | RunStory | None = None
        self._kept: deque[str] = deque(maxlen=LINES_KEPT)
        self._words = ""
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        """Files, lines, and where a filter is typed."""
        with Horizontal():
            yield VTable(title="Logs", empty="No log yet.", id="files")
            with Vertical(id="text"):
                yield FollowPanel(title="Lines", empty="Nothing was written.", id="lines")
                yield Input(placeholder="words that a line must contain", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Give the table its rows."""
        self.query_one(VTable).show(self._files)

    def tick(self, view: ViewState) -> None:
        """Look for files and lines."""
        if not view.directory:
            return
        directory = Path(view.directory)
        self._paths = (directory / FILE_NAME, *log_files(directory))
        table = self.query_one(VTable)
        table.changed(self._files.replace(_file_cells(self._paths)))
        if view.worker is not None and view.worker != self._wanted and self._paths:
            self._wanted = view.worker
            names = [_name(path) for path in self._paths]
            if view.worker in names:
                table.move_to(names.index(view.worker))
        self._read()

    def _read(self) -> None:
        row = self.query_one(VTable).cursor_row
        path = self._paths[row] if row is not None and row < len(self._paths) else None
        fresh = path is not None and (self._tail is None or self._tail.path != path)
        if fresh and path is not None:
            self._tail = RunStory(path) if path.name == FILE_NAME else LogTail(path)
            self.panel.follows = True
            self._kept.clear()
        new = () if self._tail is None else self._tail.read()
        self._kept.extend(new)
        if new or fresh:
            self._show_lines()
        self.panel.keep_up()
        self._tell()

    @property
    def panel(self) -> FollowPanel:
        """Where the lines stand."""
        return self.query_one("#lines", FollowPanel)

    def _show_lines(self) -> None:
        self.panel.show(tuple(log_line(text) for text in self._kept if self._words in text.casefold()))
        self._tell()

    def _tell(self) -> None:
        panel = self.panel
        name = "" if self._tail is None else _name(self._tail.path)
        shown, total = len(panel.lines), len(self._kept)
        count = f"{shown:,} of {total:,}" if self._words else f"{total:,} lines"
        panel.border_title = f"{name or 'Lines'} · {count}{' · following' if panel.follows else ''}"

    @on(VTable.Highlighted)
    def _other_file(self, event: VTable.Highlighted) -> None:
        event.stop()
        self._read()

    @on(VTable.Selected)
    def _to_lines(self, event: VTable.Selected) -> None:
        event.stop()
        self.query_one("#lines").focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._words = event.value.strip().casefold()
        self._show_lines()

    @on(Input.Submitted)
    def _typed_whole(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_class(bool(self._words), "-filtering")
        self.query_one("#lines").focus()

    def action_filter(self) -> None:
        """Open the filter line."""
        self.add_class("-filtering")
        self.query_one(Input).focus()

    def action_all(self) -> None:
        """Take the filter away; without one, let the key mean what it means elsewhere."""
        if not self.has_class("-filtering"):
            raise SkipAction
        self.remove_class("-filtering")
        self.query_one(Input).value = ""
        self.query_one("#lines").focus()

    def action_follow(self) -> None:
        """Stay at the end, or do not."""
        self.panel.follows = not self.panel.follows
        self._show_lines()

    def copied(self) -> str:
        """The lines that are shown."""
        return "\n".join(text for text in self._kept if self._words in text.casefold())


def _name(path: Path) -> str:
    """What a source of lines is called: the run, a worker, the process that leads the run."""
    return "run" if path.name == FILE_NAME else path.stem


def _file_cells(paths: tuple[Path, ...]) -> list[dict[str, object]]:
    """The journal holds more than its lines, so it has no size here."""
    return [{"name": _name(path), "size": None if path.name == FILE_NAME else _size(path)} for path in paths]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
