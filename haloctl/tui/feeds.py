"""What several pages show, kept up to date once for all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.errors import HaloError
from haloctl.row_facts import read_errors, read_names
from haloctl.tui.model import ViewState
from haloctl.tui.projection.lanes import TimelineFeed
from haloctl.tui.projection.queries import RowsFeed
from haloctl.tui.row_table import RowTable
from haloctl.tui.timeline import Timeline

_ERRORS_AT_ONCE = 500


class Feeds:
    """The timeline and the rows of one run. `changed` collects rows until a page has drawn them again."""

    def __init__(self) -> None:
        self._lanes = TimelineFeed()
        self._rows = RowsFeed()
        self.changed: set[int] = set()
        self._windows = 0

    @property
    def timeline(self) -> Timeline:
        """What workers and tools did."""
        return self._lanes.timeline

    @property
    def rows(self) -> RowTable:
        """All rows, kept by column."""
        return self._rows.table

    def update(self, view: ViewState) -> None:
        """Take in what the view shows now."""
        self._lanes.update(view.shown, view.now_s)
        self.changed.update(self._rows.update(view.shown))

    def is_behind(self, view: ViewState) -> bool:
        """Whether the journal holds something about rows that was not read yet."""
        return len(view.shown.windows) > self._windows or bool(self._rows.unexplained())

    async def read(self, view: ViewState) -> None:
        """Read in a thread what the journal says of rows: their names, and why some failed."""
        directory = Path(view.directory)
        try:
            if len(view.shown.windows) > self._windows:
                self._windows, names = await asyncio.to_thread(read_names, directory, self._windows)
                self.changed.update(self._rows.name((name.row, name.id, name.text) for name in names))
            rows = self._rows.unexplained()[:_ERRORS_AT_ONCE]
            if rows:
                errors = await asyncio.to_thread(read_errors, directory, rows)
                self.changed.update(self._rows.blame(errors))
        except HaloError:
            return  # a journal that cannot be read now is read again with the next change
