"""Pages that read the journal beside the screen read it once, though they are asked again meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from engine.ir.ids import OperatorId, QueryIndex
from haloctl.tui.app import RunApp
from haloctl.tui.widgets.table import VTable

CHOSEN = {"operator": OperatorId("notes/topic"), "query": QueryIndex(3)}


def rows_after(source, key, ticks):
    """Rows of the page's table, after so many ticks before anything else could happen."""

    async def run():
        app = RunApp(source, clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            while app.screen.page is None or not app.screen.view.run:
                await pilot.pause(0.01)
            await pilot.press(key)
            await pilot.pause()
            screen = app.screen
            screen.view = replace(screen.view, **CHOSEN)
            screen.page.show(screen.view)
            for _ in range(ticks):
                screen.page.tick(screen.view)
            await pilot.pause()
            while reading := [worker for worker in app.workers if worker.group in ("path", "nodes")]:
                await app.workers.wait_for_complete(reading)
                await pilot.pause()
            return screen.page.query_one(VTable).rows.count

    return asyncio.run(run())


@pytest.mark.parametrize("key", ["4", "5"])
def test_ticks_that_come_before_reading_begins_read_nothing_twice(recorded, key):
    once = rows_after(recorded(9), key, 1)
    assert once > 4
    assert rows_after(recorded(9), key, 3) == once
