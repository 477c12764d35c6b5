"""Who leaves at once leaves from anywhere and at any time, and what is known of the run then is not lost."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual._context import active_message_pump

from haloctl.tui.app import RunApp
from haloctl.tui.model import Ended
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.widgets.filter_table import FilterTable


@pytest.mark.parametrize("before", [(), ("question_mark",)], ids=["page", "help"])
@pytest.mark.parametrize("ended", [False, True])
def test_who_leaves_at_once_leaves_with_the_last_view_of_the_run(recorded, before, ended):
    source = recorded(9, *([Ended(words="exit code 0: done")] if ended else []))

    async def run():
        app = RunApp(source, clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            while not app.screen.view.run or app.screen.page is None:
                await pilot.pause(0.01)
            await pilot.press(*before, "ctrl+q")
            await pilot.pause()
        return app.return_value

    view = asyncio.run(run())
    assert view is not None
    assert view.run
    assert (view.link == "over") is ended


@pytest.mark.parametrize("by_exit", [True, False], ids=["exit", "end"])
@pytest.mark.parametrize("part", [RunScreen, PageView, FilterTable])
def test_an_application_that_ends_while_its_first_page_is_made_raises_nothing(recorded, part, by_exit):
    async def run():
        app, made = RunApp(recorded(9), clock=lambda: 0.0), asyncio.Event()

        def leave_when_made(message):
            if isinstance(message, events.Compose) and isinstance(active_message_pump.get(None), part):
                made.set()
                if by_exit:
                    app.exit()

        async with app.run_test(size=(120, 40), message_hook=leave_when_made) as pilot:
            await made.wait()
            if by_exit:
                await pilot.pause()

    asyncio.run(run())
