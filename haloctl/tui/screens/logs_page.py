"""Page 7: what happened in the run, and what its processes wrote, line by line as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from engine.journal.folder import FILE_NAME
from haloctl.sanitise import clean_line
from haloctl.tui.feeds import Feeds
from haloctl.tui.list_rows import ListRows
from haloctl.tui.model import ViewState
from haloctl.tui.one_at_a_time import one_at_a_time
from haloctl.tui.pieces import Line, folded, log_line
from haloctl.tui.row_table import Column
from haloctl.tui.run_logs import LogTail, log_files
from haloctl.tui.run_story import RunStory
from haloctl.tui.screens.follow_panel import FollowPanel
from haloctl.tui.screens.page import PageView
from haloctl.tui.widgets.filter_line import FilterLine
from haloctl.tui.widgets.table import VTable

LINES_KEPT = 20_000
"""Lines of a log that can be read, the last ones; where those before are is said, or how many they are."""
_FILES = (Column(key="name", title="Log"), Column(key="size", title="Bytes", kind="quantity", width=6))


class LogsPage(PageView):
    """The run and its logs at the left, lines at the right. Scrolling up stops following."""

    FIRST: ClassVar[str] = "#lines"
    DEFAULT_CSS = """
    LogsPage > Horizontal { height: 1fr; }
    LogsPage #files { width: 26; }
    LogsPage #text { width: 1fr; }
    LogsPage FilterLine { display: none; }
    LogsPage FilterLine.-filtering { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="logs.filter", tooltip="Only lines with these words"),
        Binding("f", "follow", "Follow", id="logs.follow", tooltip="Stay at the last line as lines come"),
        Binding("escape", "all", "All lines", id="logs.all", show=False, tooltip="Take the filter away"),
    ]

    def __init__(self, feeds: Feeds, *, id: str) -> None:
        super().__init__(feeds, id=id)
        self._files = ListRows(_FILES)
        self._paths: tuple[Path, ...] = ()
        self._tail: LogTail | RunStory | None = None
        self._kept: deque[tuple[str, Line]] = deque(maxlen=LINES_KEPT)
        self._left_out = 0
        self._noted = 0  # of the panel's lines, those that say where earlier ones are
        self._words = ""
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        """Files, lines, and where a filter is typed."""
        with Horizontal():
            yield VTable(title="Logs", empty="No log yet.", id="files")
            with Vertical(id="text"):
                yield FollowPanel(title="Lines", empty="Nothing was written.", id="lines")
                yield FilterLine("words that a line must contain")

    def on_mount(self) -> None:
        """Give the table its rows."""
        self.query_one(VTable).show(self._files)

    def on_resize(self, event: events.Resize) -> None:
        """A long path is folded anew."""
        if self._earlier:
            self.call_after_refresh(self._show_lines)

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
            log = directory / "workers" / f"{view.worker}.log"
            if log in self._paths:
                table.move_to(self._paths.index(log))
        self._read()

    def _read(self) -> None:
        row = self.query_one(VTable).cursor_row
        path = self._paths[row] if row is not None and row < len(self._paths) else None
        fresh = path is not None and (self._tail is None or self._tail.path != path)
        if fresh and path is not None:
            self._tail = RunStory(path) if path.name == FILE_NAME else LogTail(path)
            self.panel.follows = True
            self._kept.clear()
            self._left_out = 0
            self._show_lines()
        if isinstance(self._tail, LogTail):
            self._take(self._tail.read())
        elif self._tail is not None:
            self._read_story(self._tail)
        self.panel.keep_up()
        self._tell()

    @one_at_a_time(group="rows")
    async def _read_story(self, story: RunStory) -> None:
        """What the journal holds by now, in a thread and in pieces: what happened first is seen at once."""
        while self._tail is story:
            new = await asyncio.to_thread(story.read)
            if self._tail is story:
                self._take(new)
            if not story.behind:
                break

    def _take(self, new: tuple[str, ...]) -> None:
        """Show lines that came; the oldest ones make room."""
        if new:
            self._left_out += max(0, len(self._kept) + len(new) - LINES_KEPT)
            self._kept.extend((text, log_line(text)) for text in new)
            self._show_lines()

    @property
    def panel(self) -> FollowPanel:
        """Where the lines stand."""
        return self.query_one("#lines", FollowPanel)

    def _show_lines(self) -> None:
        words = self._words
        lines = [shown for text, shown in self._kept if not words or words in text.casefold()]
        width = max(20, self.panel.inner_width - 1)  # the scrollbar may be about to come
        note = folded(self._earlier, width, "muted") if self._earlier else ()
        self._noted = len(note)
        self.panel.show((*note, *lines))
        self._tell()

    @property
    def _earlier(self) -> str:
        """Where lines are that cannot be read here; empty when all can."""
        tail = self._tail
        if isinstance(tail, LogTail) and (tail.unread_bytes or self._left_out):
            return f"earlier lines: {tail.path}"
        return f"{self._left_out:,} earlier lines are left out" if self._left_out else ""

    def _tell(self) -> None:
        panel, total = self.panel, len(self._kept)
        name = "" if self._tail is None else _name(self._tail.path)
        shown = len(panel.lines) - self._noted
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
        self.query_one("#lines").focus()

    def action_filter(self) -> None:
        """Open the filter line."""
        self.query_one(FilterLine).open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a filter there is none to take away: the key means what it means elsewhere."""
        if action == "all":
            return any(line.is_open for line in self.query(FilterLine))
        return super().check_action(action, parameters)

    def action_all(self) -> None:
        """Take the filter away."""
        self.query_one(FilterLine).close()
        self.query_one("#lines").focus()

    def action_follow(self) -> None:
        """Stay at the end, or do not."""
        self.panel.follows = not self.panel.follows
        self._show_lines()

    def copied(self) -> str:
        """The lines that are shown, and where those before them are."""
        lines = [text for text, _shown in self._kept if self._words in text.casefold()]
        return "\n".join([clean_line(self._earlier), *lines] if self._earlier else lines)


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
