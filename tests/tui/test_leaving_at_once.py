"""ctrl+q leaves from anywhere, and what is known of the run then is not lost."""

from __future__ import annotations

import asyncio

import pytest

from haloctl.tui.app import RunApp
from haloctl.tui.model import Ended


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
