"""Widgets take on another theme while they run, and take their values before they are on a screen."""

from __future__ import annotations

import asyncio

from textual.app import App

from haloctl.tui.plots import Series
from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.themes import DARK, LIGHT, THEMES
from haloctl.tui.timeline import Span
from haloctl.tui.widgets.bar import StackedBar
from haloctl.tui.widgets.chart import LineChart
from haloctl.tui.widgets.gantt import Gantt
from haloctl.tui.widgets.table import VTable


class All(App[None]):
    """One of each widget, with something in it."""

    def __init__(self, theme: str, early: bool = False) -> None:
        super().__init__()
        self.widgets = (Gantt(), VTable(), LineChart(title="Tokens"), StackedBar())
        self.early = early
        if early:
            fill(*self.widgets)
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme

    def compose(self):
        yield from self.widgets

    def on_mount(self):
        if not self.early:
            fill(*self.widgets)


def fill(gantt, table, chart, bar):
    """Something for each widget to show."""
    gantt.timeline.add([Span(lane="w", start_s=0, end_s=1.3, kind="decode")])
    gantt.changed()
    rows = RowTable((Column(key="state", title="State", kind="state"),))
    rows.extend({"state": ["done", "failed"]})
    table.show(rows)
    chart.show(Series(values=(1.0, 2.0)))
    bar.show({"done": 1, "failed": 1})


def segments(app):
    """What every line of every widget looks like."""
    return [
        [(segment.text, str(segment.style)) for segment in widget.render_line(y)]
        for widget in app.widgets
        for y in range(widget.size.height)
    ]


async def shown(app, then=None):
    """What a running app shows, after something was done to it."""
    async with app.run_test(size=(60, 30)) as pilot:
        await pilot.pause()
        if then is not None:
            then(app)
            await pilot.pause()
        return segments(app)


def test_a_new_theme_leaves_nothing_of_the_old_one():
    dark = asyncio.run(shown(All(DARK.name)))
    expected = asyncio.run(shown(All(LIGHT.name)))
    light = asyncio.run(shown(All(DARK.name), lambda app: setattr(app, "theme", LIGHT.name)))
    assert light == expected
    assert all(one != other for one, other in zip(dark, light, strict=True) if one)


def test_values_given_before_there_is_a_screen_are_shown():
    assert asyncio.run(shown(All(DARK.name, early=True))) == asyncio.run(shown(All(DARK.name)))
