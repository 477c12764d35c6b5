"""Queries out of a file: its path, its first rows, and which column feeds which input."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

from rich.cells import cell_len
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from engine.ir.logical import LogicalPlan
from haloctl.preview import Preview, completions, preview
from haloctl.tui.cells import one_line
from haloctl.tui.first_run_words import fault_lines
from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.screens.folding_panel import FoldingPanel
from haloctl.tui.screens.pick_table import PickTable, SeenTable
from haloctl.tui.widgets.panel import title_of
from haloctl.tui.widgets.table import VTable

_DEFAULT = "(nothing: its default)"
_WIDEST = 24


class PathInput(Input):
    """A path: tab completes it as a shell does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "tab", "complete", "Complete", id="path.complete", tooltip="Complete the path", priority=True
        ),
    ]

    class Candidates(Message):
        """The paths that tab could complete to."""

        def __init__(self, paths: tuple[str, ...]) -> None:
            super().__init__()
            self.paths = paths

    def action_complete(self) -> None:
        """As far as all candidates agree; when that is no further, on to the next pane."""
        paths = completions(self.value)
        common = os.path.commonprefix(paths)  # noqa: RUF071 - by characters, as shells do
        if len(common) > len(self.value):
            self.value = common
            self.cursor_position = len(common)
            paths = completions(common) if len(paths) == 1 and common.endswith("/") else paths
            self.post_message(self.Candidates(paths if len(paths) > 1 else ()))
        else:
            self.post_message(self.Candidates(()))
            self.screen.focus_next()


class ChooseColumn(ModalScreen[str | None]):
    """Which column feeds an input. Dismissed with its name, "" for none, or None for no change."""

    DEFAULT_CSS = """
    ChooseColumn { align: center middle; background: $background 60%; }
    ChooseColumn VTable { width: 48; max-width: 90%; height: auto; max-height: 80%; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", id="column.back", tooltip="Leave it as it is"),
    ]

    def __init__(self, name: str, columns: tuple[str, ...], *, optional: bool) -> None:
        super().__init__()
        self._input = name
        self._columns = columns
        self._choices = (*columns, *((_DEFAULT,) if optional else ()))

    def compose(self) -> ComposeResult:
        """The table's columns."""
        yield PickTable(title=f"{self._input} is fed by", id="columns")

    def on_mount(self) -> None:
        """As high as there are columns."""
        rows = RowTable((Column(key="column", title="column"),))
        rows.extend({"column": self._choices})
        table = self.query_one(VTable)
        table.show(rows)
        table.styles.height = len(self._choices) + 3
        table.focus()

    def on_vtable_selected(self, message: VTable.Selected) -> None:
        """Enter, or a click."""
        message.stop()
        chosen = self._choices[message.row]
        self.dismiss("" if chosen == _DEFAULT else chosen)


class FilePane(Vertical):
    """A file of queries. Enter on a path that can be read asks for the plan."""

    DEFAULT_CSS = """
    FilePane { height: 1fr; }
    FilePane #path-box { height: auto; border: round $foreground 25%; padding: 0 1;
        border-title-color: $foreground 75%; }
    FilePane #path-box:focus-within { border: round $primary; border-title-color: $primary; }
    FilePane PathInput { background: $surface; }
    FilePane PathInput:focus { background: $primary 20%; }
    FilePane #candidates { color: $foreground 55%; display: none; height: auto; max-height: 4; }
    FilePane #rows { height: 1fr; }
    FilePane #feeds { height: auto; max-height: 45%; min-height: 3; }
    FilePane #fault { height: auto; display: none; }
    FilePane.faulty #fault { display: block; }
    FilePane.faulty #feeds { display: none; }
    FilePane.faulty #rows { display: none; }
    """

    class Finished(Message):
        """Enter on a table that can run: it is to be planned."""

    def __init__(self, plan: LogicalPlan, path: str, mapping: dict[str, str]) -> None:
        super().__init__(id="pane-file")
        self._plan = plan
        self._path = path
        self.mapping = mapping
        self.found = Preview()

    def compose(self) -> ComposeResult:
        """The path, its completions, the first rows, and what feeds what."""
        with Vertical(id="path-box") as box:
            box.border_title = "File: CSV, JSONL or Parquet"
            yield PathInput(self._path, placeholder="questions.csv", compact=True, select_on_focus=False)
            yield Label("", id="candidates", markup=False)
        yield FoldingPanel(title="It cannot be read", id="fault", hugs=True)
        yield SeenTable(title="First rows", empty="No rows yet.", id="rows")
        yield PickTable(title="Inputs: enter chooses another column", id="feeds")

    def on_mount(self) -> None:
        """Look at the file that stands there."""
        self._look()

    def arrive(self) -> None:
        """The path has the focus."""
        self.query_one(PathInput).focus()

    @property
    def path(self) -> str:
        """The path as it stands there."""
        return self.query_one(PathInput).value

    def on_input_changed(self, message: Input.Changed) -> None:
        """Another path: another table."""
        message.stop()
        self._look()

    def on_path_input_candidates(self, message: PathInput.Candidates) -> None:
        """Show what tab could complete to."""
        label = self.query_one("#candidates", Label)
        label.display = bool(message.paths)
        names = "  ".join(
            path.rstrip("/").rpartition("/")[2] + ("/" * path.endswith("/")) for path in message.paths
        )
        label.update(one_line(names, 4 * max(20, self.size.width - 6)))

    async def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter: go on, or see what is wrong."""
        message.stop()
        await self.settle()
        if self.found.runnable:
            self.post_message(self.Finished())
        elif not self.found.fault:
            self.query_one("#feeds").focus()

    async def settle(self) -> None:
        """What is shown is that of the path that stands there."""
        await self._shown(self.path)

    @work(exclusive=True, group="preview")
    async def _look(self) -> None:
        await self._shown(self.path)

    async def _shown(self, path: str) -> None:
        found = await asyncio.to_thread(preview, path, self._plan, self.mapping)
        if path == self.path and self.is_mounted:
            self.found = found
            self._show()

    def _show(self) -> None:
        found = self.found
        self.set_class(bool(found.fault), "faulty")
        fault = self.query_one("#fault", FoldingPanel)
        fault.show_folded(lambda width: fault_lines(found, width))
        self._show_rows(found)
        self._show_feeds(found)

    def _show_rows(self, found: Preview) -> None:
        last = len(found.columns) - 1
        columns = tuple(
            Column(key=f"{at}", title=name, width=0 if at == last else _width(found, at))
            for at, name in enumerate(found.columns)
        )
        rows = RowTable(columns or (Column(key="0", title=""),))
        rows.extend(
            {
                f"{at}": [row[at] if at < len(row) else "" for row in found.rows]
                for at in range(max(1, len(found.columns)))
            }
        )
        table = self.query_one("#rows", VTable)
        table.show(rows)
        table.border_title = title_of(f"First {len(found.rows)} rows" if len(found.rows) > 1 else "First row")

    def _show_feeds(self, found: Preview) -> None:
        rows = RowTable((Column(key="input", title="input", width=16), Column(key="column", title="fed by")))
        words = [
            "✖ no column: enter chooses one" if f.missing else f.column or "its default" for f in found.feeds
        ]
        rows.extend({"input": [feed.input for feed in found.feeds], "column": words})
        table = self.query_one("#feeds", VTable)
        table.show(rows)
        table.styles.height = len(found.feeds) + 3

    def on_vtable_selected(self, message: VTable.Selected) -> None:
        """An input is to be fed by another column."""
        message.stop()
        if message.table.id == "feeds" and message.row < len(self.found.feeds):
            self._choose(message.row)

    @work(group="choose")
    async def _choose(self, row: int) -> None:
        feed = self.found.feeds[row]
        spec = self._plan.inputs[feed.input]
        optional = not spec.required or spec.default is not None
        screen = ChooseColumn(feed.input, self.found.columns, optional=optional)
        chosen = await self.app.push_screen_wait(screen)
        if chosen is None:
            return
        self.mapping.pop(feed.input, None)
        if chosen:
            self.mapping[feed.input] = chosen
        await self.settle()
        self.query_one("#feeds", VTable).move_to(row)


def _width(found: Preview, at: int) -> int:
    cells = [found.columns[at], *(row[at] for row in found.rows if at < len(row))]
    return min(_WIDEST, max(cell_len(one_line(cell, _WIDEST)) for cell in cells))
