"""Small charts and the stacked bar under keys and mouse, and in their goldens."""

from __future__ import annotations

import asyncio
import math
from typing import ClassVar

import pytest
from textual.app import App
from textual.containers import Horizontal

from haloctl.tui.plots import Series
from haloctl.tui.themes import THEMES
from haloctl.tui.widgets.bar import StackedBar
from haloctl.tui.widgets.chart import LineChart

SPEED = Series(values=tuple(900 + 500 * math.sin(i / 20) for i in range(200)), unit="/s")
REUSE = Series(values=tuple(min(1.0, i / 70) for i in range(60)), unit="%", top=1.0)
COUNTS = {"done": 41_200, "cached": 6_000, "failed": 3, "running": 800, "queued": 1_200, "pending": 20_500}


class Charts(App[None]):
    """Two charts side by side over a bar."""

    CSS = "Horizontal { height: 1fr; }"
    BINDINGS: ClassVar = [("escape", "out", "Out")]

    def __init__(self, theme: str = "haloctl-dark", filled: bool = True) -> None:
        super().__init__()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme
        self.filled = filled
        self.left_alone = 0

    def compose(self):
        with Horizontal():
            yield LineChart(title="Tokens", id="speed")
            yield LineChart(title="KV [reuse]", id="reuse")
        yield StackedBar()

    def on_mount(self):
        if self.filled:
            self.query_one("#speed", LineChart).show(SPEED)
            self.query_one("#reuse", LineChart).show(REUSE)
            self.query_one(StackedBar).show(COUNTS)

    def action_out(self):
        self.left_alone += 1


def drive(*keys, size=(80, 12), then=None, app=None):
    """`then(app, pilot)` after `keys`, or what the first chart reads."""

    async def run():
        charts = app or Charts()
        async with charts.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            if then:
                return await then(charts, pilot)
            return charts.query_one("#speed", LineChart).reading()

    return asyncio.run(run())


def test_the_latest_value_stands_in_the_title():
    async def titles(app, _):
        return [str(chart.border_title) for chart in app.query(LineChart)]

    speed, reuse = drive(then=titles)
    assert "Tokens" in speed
    assert SPEED.shown(SPEED.values[-1]) in speed
    assert "84%" in reuse


@pytest.mark.parametrize(("earlier", "later"), [("left", "right"), ("h", "l")])
def test_a_cursor_reads_earlier_values(earlier, later):
    assert drive(earlier).endswith("  now")
    assert drive(earlier, earlier, earlier).endswith("s ago")
    assert drive(earlier, earlier, later) == drive(earlier)


def test_home_and_end_read_the_oldest_and_the_latest():
    oldest = drive("home")
    assert oldest.endswith("3m06s ago")
    assert oldest.startswith(SPEED.shown(sum(SPEED.values[9:15]) / 6))
    assert drive("home", "left", "left") == oldest
    assert drive("home", "end") == drive("left")


def test_escape_takes_the_cursor_away_first():
    app = Charts()
    assert drive("left", "escape", app=app) == SPEED.shown(SPEED.values[-1])
    assert app.left_alone == 0
    app = Charts()
    drive("escape", app=app)
    assert app.left_alone == 1


def test_a_click_reads_the_value_there():
    async def click(app, pilot):
        chart = app.query_one("#speed", LineChart)
        await pilot.click("#speed", offset=(38, 4))
        await pilot.pause()
        return chart.cursor, chart.inner_width

    cursor, width = drive(then=click)
    assert cursor == width - 1 - 37


def test_equal_values_draw_nothing_and_new_ones_draw_their_chart():
    async def show(app, pilot):
        drawn = []
        chart, bar = app.query_one("#speed", LineChart), app.query_one(StackedBar)
        for widget in (chart, bar, app.query_one("#reuse", LineChart)):
            original = widget.render_line
            widget.render_line = lambda y, widget=widget, original=original: (
                drawn.append(widget) or original(y)
            )
        chart.show(Series(values=SPEED.values, unit="/s"))
        bar.show(dict(COUNTS))
        await pilot.pause()
        same = list(drawn)
        chart.show(Series(values=(1.0, 2.0)))
        await pilot.pause()
        return same, set(drawn) == {chart}

    assert drive(then=show) == ([], True)


def test_three_of_seventy_thousand_failed_and_it_shows():
    async def bar(app, _):
        line = list(app.query_one(StackedBar).render_line(0))
        return [(segment.text, segment.style.color) for segment in line], [
            app.query_one(StackedBar).render_line(1).text
        ]

    shares, legend = drive(then=bar)
    assert shares[0][0] == "█"
    assert "✖ 3 failed" in legend[0]


@pytest.mark.parametrize("width", [20, 40, 57, 240])
def test_every_line_of_a_chart_is_as_wide_as_it(width):
    async def widths(app, _):
        wrong = [
            y
            for chart in app.query(LineChart)
            for y in range(chart.inner_height)
            if chart.render_line(y).cell_length != chart.inner_width
        ]
        bar = app.query_one(StackedBar)
        return wrong, {bar.render_line(y).cell_length for y in (0, 1)} == {bar.size.width}

    assert drive("left", size=(width, 9), then=widths) == ([], True)


@pytest.mark.parametrize("theme", ["haloctl-dark", "haloctl-light"])
def test_charts_look(theme, snap_compare):
    snap_compare(Charts(theme), terminal_size=(80, 10))
    snap_compare(Charts(theme), terminal_size=(160, 14), press=("left", "left", "left"))


def test_charts_without_colour(snap_compare, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    snap_compare(Charts(), terminal_size=(80, 10), press=("left",))


def test_charts_narrow_and_empty(snap_compare):
    snap_compare(Charts(), terminal_size=(36, 8))
    snap_compare(Charts(filled=False), terminal_size=(40, 8))
