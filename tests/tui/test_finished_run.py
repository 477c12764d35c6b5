"""A run that is over while its process still listens: no order is offered, but what goes on with it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from textual.widgets._footer import FooterKey

from haloctl.tui.app import RunApp
from haloctl.tui.model import PAGES, Aftermath, Gone, Joined
from haloctl.tui.screens.notice_panel import NoticePanel
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.widgets.gantt import Gantt

RUN = "20261121-120000-demo"
ORDERS = {"Pause", "Requeue", "Cancel", "Restart", "Cancel run", "Detach"}


def ended(trace, state_at, status):
    """What a source tells of a run that came to that end, and has not said goodbye."""
    state = state_at(9)
    report = replace(state.report, status=status)
    return Joined(run=RUN, directory=str(trace), state=replace(state, report=report))


def drive(source, look):
    async def run():
        app = RunApp(source, clock=lambda: 0.0)
        async with app.run_test(size=(160, 46), notifications=True) as pilot:
            screen = app.screen
            assert isinstance(screen, RunScreen)
            while screen.page is None or not screen.view.run:
                await pilot.pause(0.01)
            screen._flush()
            await pilot.pause()
            await look(app, pilot)

    asyncio.run(run())


def footer(app):
    """What the footer offers: title → key."""
    return {found.description: found.key for found in app.screen.query(FooterKey)}


@pytest.mark.parametrize(
    ("status", "go_on"),
    [
        ("failed_rows", f"haloctl resume {RUN} --retry-failed"),
        ("stopped", f"haloctl resume {RUN}"),
        ("aborted", f"haloctl resume {RUN}"),
    ],
)
def test_a_run_that_is_over_offers_no_orders_but_says_what_goes_on_with_it(
    recorded, trace, state_at, status, go_on
):
    source = recorded()
    source.updates = (ended(trace, state_at, status),)

    async def look(app, pilot):
        notice = app.screen.query_one(NoticePanel)
        assert any(go_on == piece.text for line in notice.lines for piece in line)
        for at, page in enumerate(PAGES, 1):
            await pilot.press(str(at))
            await pilot.pause()
            offered = footer(app)
            assert offered.keys() & ORDERS == set(), page
            assert (offered["How to go on"], offered["Leave"]) == ("r", "q")
            app.clear_notifications()
            await pilot.press("p", "r", "x", "R", "c")
            await pilot.pause()
            said = [f"the run is over; {go_on} goes on with it"]
            assert [note.message for note in app._notifications] == said
            assert app.screen.view.page == page  # and no question stands above it
        assert source.asked == []
        assert app.screen.leaving == "q leaves"

    drive(source, look)


def test_a_run_whose_rows_are_all_done_offers_no_way_to_go_on(recorded, trace, state_at):
    source = recorded()
    source.updates = (ended(trace, state_at, "ok"),)

    async def look(app, pilot):
        await pilot.press("3", "r")
        await pilot.pause()
        assert footer(app).keys() & (ORDERS | {"How to go on"}) == set()
        assert (source.asked, [*app._notifications]) == ([], [])

    drive(source, look)


def test_a_run_that_was_killed_says_how_to_go_on_on_every_page(recorded):
    gone = Gone(aftermath=Aftermath(words="it was killed", go_on="haloctl resume demo"))

    async def look(app, pilot):
        await pilot.press("3", "r")
        await pilot.pause()
        assert footer(app)["How to go on"] == "r"
        said = ["the run is over; haloctl resume demo goes on with it"]
        assert [note.message for note in app._notifications] == said

    drive(recorded(2.2, gone), look)


def test_the_footer_changes_when_the_run_ends_under_the_eyes(recorded, trace, state_at):
    source = recorded(2.2)

    async def look(app, pilot):
        assert {"Pause", "Requeue", "Detach"} <= footer(app).keys()
        source.tell(ended(trace, state_at, "failed_rows"))
        for _ in range(1000):
            if "Leave" in footer(app):
                break
            await pilot.pause(0.02)
        assert footer(app).keys() & ORDERS == set()
        assert {"Leave", "How to go on"} <= footer(app).keys()

    drive(source, look)


def told_below_the_lanes(app):
    chart = app.screen.page.query_one(Gantt)
    return chart.render_line(chart.inner_height - 1).text


def test_a_timeline_says_live_until_the_run_ends_on_both_its_pages(recorded, trace, state_at):
    source = recorded(2.2)

    async def look(app, pilot):
        assert " live · " in told_below_the_lanes(app)
        source.tell(ended(trace, state_at, "failed_rows"))
        for _ in range(1000):
            if "ended" in told_below_the_lanes(app):
                break
            await pilot.pause(0.02)
        for page in "12":
            await pilot.press(page)
            app.screen._flush()
            await pilot.pause()
            assert " ended · " in told_below_the_lanes(app)
            assert "live" not in told_below_the_lanes(app)

    drive(source, look)
