"""The main pages on a large terminal, against goldens; and what a small one keeps of the workers' page."""

from __future__ import annotations

import pytest

from haloctl.tui.model import PAGES
from haloctl.tui.widgets.chart import LineChart
from haloctl.tui.widgets.table import VTable

LARGE, SMALL = (240, 70), (80, 24)
HALF_WAY, AT_THE_END = 2.2, 9.0


def test_the_main_pages_of_a_running_run_look_on_a_large_terminal(recorded, show, press, look_at):
    async def steps(pilot):
        await look_at(pilot, "large-overview")
        for page in ("workers", "queries", "plan", "logs"):
            await press(pilot, str(PAGES.index(page) + 1))
            await look_at(pilot, f"large-{page}")

    show(recorded(HALF_WAY), LARGE, steps)


def test_a_row_and_an_operator_look_on_a_large_terminal(recorded, show, press, look_at):
    async def steps(pilot):
        await look_at(pilot, "large-finished-overview")
        await press(pilot, "l", "enter")
        await look_at(pilot, "large-operator")
        await press(pilot, "3", "j", "j", "enter", "j", "j")
        await look_at(pilot, "large-query")

    show(recorded(AT_THE_END), LARGE, steps)


@pytest.mark.parametrize(
    ("size", "name"), [(SMALL, "queues-below"), ((109, 30), "queues-below"), ((110, 30), "queues")]
)
def test_queues_are_seen_and_come_to_by_tab_on_terminals_of_any_width(recorded, show, press, size, name):
    async def steps(pilot):
        await press(pilot, "2")
        tables = {found.id: found for found in pilot.app.screen.page.query(VTable)}
        assert [found for found in ("queues", "queues-below") if tables[found].region] == [name]
        queues = tables[name]
        names = [queues.rows.cells(queues.row_at(at))[0] for at in range(queues.count)]
        assert {"left", "right", "python"} <= set(names)
        if size == SMALL:
            assert queues.region.height >= queues.count + 3  # all of them at once
        visited = []
        while pilot.app.focused.id not in visited:
            visited.append(pilot.app.focused.id)
            await press(pilot, "tab")
        assert name in visited

    show(recorded(HALF_WAY), size, steps)


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((160, 43), set()),
        ((110, 44), {"waiting"}),
        ((160, 46), {"waiting"}),
        (LARGE, {"waiting", "speed", "reuse"}),
    ],
)
def test_what_waits_over_time_is_drawn_below_the_queues_where_there_is_room(
    recorded, show, press, size, drawn
):
    async def steps(pilot):
        await press(pilot, "2")
        page = pilot.app.screen.page
        assert {chart.id for chart in page.query(LineChart) if chart.region} == drawn
        assert all(chart.inner_height >= 2 for chart in page.query(LineChart) if chart.region)
        queues = page.query_one("#queues", VTable)
        assert queues.region.height >= queues.count + 2  # the chart takes no line from them

    show(recorded(HALF_WAY), size, steps)
