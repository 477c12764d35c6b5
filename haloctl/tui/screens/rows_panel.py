"""The run's rows as a table with a filter, on whatever page."""

from __future__ import annotations

from haloctl.tui.feeds import Feeds
from haloctl.tui.widgets.filter_table import FilterTable

_EMPTY = "No rows yet. They appear when the first window of the table is planned."


class RowsPanel(FilterTable):
    """All rows of the run, as the feeds keep them."""

    def __init__(self, feeds: Feeds, *, title: str, id: str) -> None:
        super().__init__(title=title, empty=_EMPTY, id=id)
        self.feeds = feeds

    def on_mount(self) -> None:
        """Show the rows there are."""
        self.show(self.feeds.rows)

    def follow_rows(self) -> None:
        """Draw again what changed since the last time; few times a second, since filters select anew."""
        changed, self.feeds.changed = self.feeds.changed, set()
        self.table.changed(changed)
