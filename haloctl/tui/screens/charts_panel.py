"""Small charts of a run's last minutes, one below the other: speed, reuse, and what waits."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from engine.live.totals import Series
from haloctl.tui.projection.series import queued, reuse, speed
from haloctl.tui.widgets.chart import LineChart


class ChartsPanel(Vertical):
    """Three charts that share the room there is; the page decides which of them it has room for."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._series: Series | None = None

    def compose(self) -> ComposeResult:
        """The charts from top to bottom."""
        yield LineChart(title="Tokens decoded", id="speed")
        yield LineChart(title="From shared prefixes", id="reuse")
        yield LineChart(title="Ready and waiting", id="waiting")

    def show_series(self, series: Series) -> None:
        """Show other values; the same ones cost nothing."""
        if series is self._series:
            return
        self._series = series
        self.query_one("#speed", LineChart).show(speed(series))
        self.query_one("#reuse", LineChart).show(reuse(series))
        self.query_one("#waiting", LineChart).show(queued(series))
