"""Keys typed when the frame of a run's screen is drawn already and its first page is not there yet."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual.widgets import Input

from haloctl.tui.app import RunApp
from haloctl.tui.replay_source import ReplaySource
from haloctl.tui.screens.run_screen import RunScreen

FIRST_PAGE = "being mounted"
"""A moment to type at; the others are so many turns of the event loop after the screen was made."""


async def until(holds, pause_s=0.01):
    for _ in range(3000 if pause_s else 1_000_000):
        if holds():
            return
        await asyncio.sleep(pause_s)
    raise AssertionError("it did not come to that")


async def run_screen_at(app, moment):
    """The run's screen, as soon as it is there and then `moment` later."""
    await until(lambda: isinstance(app.screen, RunScreen), pause_s=0)
    screen = app.screen
    if moment == FIRST_PAGE:
        await until(lambda: len(screen.query("PageDeck > *")) > 0, pause_s=0)
        assert screen.page is None
    else:
        for _ in range(moment):
            await asyncio.sleep(0)
    return screen


def type_(app, *keys):
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


def follows(app):
    """Whether all of the beginning is done: the last of it is to listen to the run."""
    return any(worker.group == "source" for worker in app.workers)


@pytest.mark.parametrize("moment", [0, 5, 20, 60, FIRST_PAGE])
def test_a_page_turned_to_before_the_first_one_stands_is_made_once_and_keeps_its_focus(trace, moment):
    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await run_screen_at(app, moment)
            type_(app, "3", "slash", "a")
            await until(lambda: any(found.value == "a" for found in screen.query(Input)))
            await until(lambda: follows(app))
            await pilot.pause()
            shown = [page.id for page in screen.query("PageDeck > *") if page.display]
            return screen.view.page, shown, isinstance(app.focused, Input)

    assert asyncio.run(run()) == ("queries", ["page-queries"], True)


@pytest.mark.parametrize("moment", [0, 5, 20, 60, FIRST_PAGE])
def test_pages_turned_to_and_back_from_before_the_first_one_stands_end_where_the_keys_lead(trace, moment):
    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await run_screen_at(app, moment)
            type_(app, "3", "6", "1")
            await until(lambda: follows(app) and screen.page is not None and not app._at_work)
            await pilot.pause()
            pages = screen.query("PageDeck > *")
            return [page.id for page in pages if page.display], sorted(page.id for page in pages)

    assert asyncio.run(run()) == (["page-overview"], ["page-overview", "page-plan", "page-queries"])


@pytest.mark.parametrize("moment", [0, 5, 20, 60, FIRST_PAGE])
def test_a_key_of_the_first_page_waits_for_it(trace, moment):
    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await run_screen_at(app, moment)
            type_(app, "tab")
            await until(lambda: not app._typed and not app._at_work and screen.page is not None)
            await pilot.pause()
            return app.focused.id

    assert asyncio.run(run()) == "lanes"


@pytest.mark.parametrize("moment", [0, FIRST_PAGE])
def test_a_filter_opened_and_typed_before_the_first_page_stands_filters_its_rows(trace, moment):
    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await run_screen_at(app, moment)
            type_(app, "slash", "a", "1")
            await until(lambda: not app._typed and not app._at_work and screen.page is not None)
            await pilot.pause()
            return screen.view.page, [found.value for found in screen.query(Input) if found.has_focus]

    assert asyncio.run(run()) == ("overview", ["a1"])


def test_the_key_that_leaves_at_once_waits_for_no_page(trace):
    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)):
            screen = await run_screen_at(app, FIRST_PAGE)
            type_(app, "3", "ctrl+q")
            await until(lambda: app._exit)
            return screen.view.page

    assert asyncio.run(run()) == "overview"


@pytest.mark.parametrize("moment", [0, 5, 20, 60, FIRST_PAGE])
@pytest.mark.parametrize("keys", [("q",), ("3", "q")])
def test_a_run_can_be_left_before_its_first_page_stands(trace, moment, keys):
    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)):
            await run_screen_at(app, moment)
            type_(app, *keys)
            await until(lambda: app.return_value is not None)
        return app.return_value.page

    assert asyncio.run(run()) == ("overview" if keys == ("q",) else "queries")


def test_a_click_and_a_key_that_turn_to_the_same_page_at_once_make_it_once(trace):
    """The click is worked off by the screen, the key by the application."""

    async def run():
        app = RunApp(ReplaySource(trace), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await run_screen_at(app, 0)
            await until(lambda: screen.page is not None)
            screen.call_later(screen.action_turn, "plan")
            app.call_later(screen.action_turn, "overview")
            app.call_later(screen.action_turn, "plan")
            await until(lambda: screen.page is not None and screen.page.id == "page-plan")
            await pilot.pause()
            pages = screen.query("PageDeck > *")
            return [page.id for page in pages if page.display], len(pages)

    assert asyncio.run(run()) == (["page-plan"], 2)
