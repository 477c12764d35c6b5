"""Widgets take on another theme while they run, and nothing of the old one stays."""

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

    def __init__(self, theme: str) -> None:
        super().__init__()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme

    def compose(self):
        yield Gantt()
        yield VTable()
        yield LineChart(title="Tokens")
        yield StackedBar()

    def on_mount(self):
        self.query_one(Gantt).add([Span(lane="w", start_s=0, end_s=1.3, kind="decode")])
        rows = RowTable((Column(key="state", title="State", kind="state"),))
        rows.extend({"state": ["done", "failed"]})
        self.query_one(VTable).show(rows)
        self.query_one(LineChart).show(Series(values=(1.0, 2.0)))
        self.query_one(StackedBar).show({"done": 1, "failed": 1})


def segments(app):
    """What every line of every widget looks like."""
    return [
        [(segment.text, str(segment.style)) for segment in widget.render_line(y)]
        for widget in (*app.query(Gantt), *app.query(VTable), *app.query(LineChart), *app.query(StackedBar))
        for y in range(widget.size.height)
    ]


def test_a_new_theme_leaves_nothing_of_the_old_one():
    async def run():
        changed, fresh = All(DARK.name), All(LIGHT.name)
        async with changed.run_test(size=(60, 30)) as pilot:
            await pilot.pause()
            dark = segments(changed)
            changed.theme = LIGHT.name
            await pilot.pause()
            light = segments(changed)
        async with fresh.run_test(size=(60, 30)) as pilot:
            await pilot.pause()
            expected = segments(fresh)
        return dark, light, expected

    dark, light, expected = asyncio.run(run())
    assert light == expected
    assert all(one != other for one, other in zip(dark, light, strict=True) if one)
