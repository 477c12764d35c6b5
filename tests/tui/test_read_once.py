"""What reads the journal beside the screen reads it once, though it is asked again meanwhile."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.screen import Screen

from engine.ir.ids import OperatorId, QueryIndex
from haloctl.tui.app import RunApp
from haloctl.tui.one_at_a_time import one_at_a_time
from haloctl.tui.widgets.table import VTable

CHOSEN = {"operator": OperatorId("notes/topic"), "query": QueryIndex(3)}


def readers(app, *groups):
    return [worker for worker in app.workers if worker.group in groups]


def rows_after(source, key, ticks):
    """Rows of the page's table after so many ticks before anything else could happen, and how many workers
    read them.
    """

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
            begun = len(readers(app, "path", "nodes"))
            await pilot.pause()
            while reading := readers(app, "path", "nodes"):
                await app.workers.wait_for_complete(reading)
                await pilot.pause()
            return screen.page.query_one(VTable).rows.count, begun

    return asyncio.run(run())


@pytest.mark.parametrize("key", ["4", "5"])
def test_ticks_that_come_before_reading_begins_read_nothing_twice(recorded, key):
    once, begun = rows_after(recorded(9), key, 1)
    assert once > 4
    assert begun == 1
    assert rows_after(recorded(9), key, 3) == (once, 1)


def readings_of_rows(source, ticks):
    """How many workers read rows after so many ticks before any of them could begin, twice over."""

    async def run():
        app = RunApp(source, clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            while app.screen.page is None or not app.screen.view.run:
                await pilot.pause(0.01)
            screen = app.screen
            while reading := readers(app, "rows"):  # of none, Textual would wait for all, such as the source
                await app.workers.wait_for_complete(reading)
            begun = []
            for _ in range(2):
                screen._pages.feeds._windows = 0  # as if another window had just been planned
                for _ in range(ticks):
                    screen._tick()
                reading = readers(app, "rows")
                begun.append(len(reading))
                await app.workers.wait_for_complete(reading)
                await pilot.pause()
            assert not screen.feeds.is_behind(screen.view)
            return begun

    return asyncio.run(run())


def test_rows_are_read_by_one_worker_at_a_time_and_again_when_it_is_over(recorded):
    assert readings_of_rows(recorded(9), 3) == [1, 1]


class Reading(Screen[None]):
    @one_at_a_time(group="rows")
    async def read(self) -> None:
        await asyncio.sleep(0)


def test_a_screen_that_has_read_is_forgotten_when_it_is_left():
    """A session shows one after another, each with all rows of its batch."""

    async def run():
        app = App()
        async with app.run_test() as pilot:
            screen = Reading()
            left = weakref.ref(screen)
            await app.push_screen(screen)
            screen.read()
            await app.workers.wait_for_complete()
            del screen
            await app.pop_screen()
            await app.push_screen(Screen())  # Textual holds the screen that was shown last
            await pilot.pause()
            gc.collect()
            return left() is None

    assert asyncio.run(run())
