"""Every page and state of a run's screen in its goldens: dark, light, without colour, small and large."""

from __future__ import annotations

import asyncio

import pytest

from engine.live.state import LiveSnapshot
from haloctl.tui.app import RunApp
from haloctl.tui.model import PAGES, Aftermath, Gone, Lost, Replayed, ReplayPlace

SMALL, LARGE = (80, 24), (160, 46)
LOOKS = [("dark", SMALL), ("dark", LARGE), ("light", LARGE)]


def app_of(source, theme="dark"):
    return RunApp(source, theme=theme, clock=lambda: 0.0)


def at(page, *keys):
    """Turn to a page, press keys, and wait until nothing is being read any more."""

    async def go(pilot):
        await rest(pilot)
        for key in (str(PAGES.index(page) + 1), *keys):
            await pilot.press(key)
            await rest(pilot)

    return go


async def rest(pilot):
    """Two flushes and a tick with nothing left to read."""
    for _ in range(2):
        await pilot.pause()
        while reading := [w for w in pilot.app.workers if w.group in ("rows", "path", "nodes")]:
            await pilot.app.workers.wait_for_complete(reading)
        await asyncio.sleep(0.3)


@pytest.mark.parametrize(("theme", "size"), LOOKS)
def test_the_overview_of_a_running_run_looks(snap_compare, recorded, theme, size):
    snap_compare(app_of(recorded(2.2), theme), terminal_size=size, run_before=at("overview"))


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("page", ["workers", "queries", "plan", "logs"])
def test_a_page_of_a_running_run_looks(snap_compare, recorded, page, size):
    snap_compare(app_of(recorded(2.2)), terminal_size=size, run_before=at(page))


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_query_of_a_finished_run_looks(snap_compare, recorded, size):
    go = at("queries", "j", "j", "enter", "j", "j")
    snap_compare(app_of(recorded(9)), terminal_size=size, run_before=go)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_operator_of_a_finished_run_looks(snap_compare, recorded, size):
    snap_compare(app_of(recorded(9)), terminal_size=size, run_before=at("overview", "l", "enter"))


def test_pages_without_colour_look(snap_compare, recorded, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    snap_compare(app_of(recorded(2.2)), terminal_size=LARGE, run_before=at("overview"))
    snap_compare(app_of(recorded(9)), terminal_size=SMALL, run_before=at("queries"))


def test_a_finished_run_looks(snap_compare, recorded):
    snap_compare(app_of(recorded(9)), terminal_size=SMALL, run_before=at("overview"))


def test_a_run_that_is_being_looked_for_looks(snap_compare, recorded):
    source = recorded()
    source.updates = (Lost(words="the run has not begun to listen"),)
    snap_compare(app_of(source), terminal_size=SMALL, run_before=at("overview"))


def test_a_run_that_is_not_heard_looks(snap_compare, recorded):
    lost = Lost(words="the connection ended without a farewell")
    snap_compare(app_of(recorded(2.2, lost)), terminal_size=SMALL, run_before=at("overview"))


def test_a_run_that_is_gone_looks(snap_compare, recorded):
    words = "the run's process is gone without a word: it was killed, or crashed"
    gone = Gone(
        aftermath=Aftermath(words=words, log=("loading", "error: out of memory"), go_on="haloctl resume demo")
    )
    snap_compare(app_of(recorded(2.2, gone)), terminal_size=SMALL, run_before=at("overview"))


def test_a_replay_looks(snap_compare, recorded, state_at, trace):
    place = ReplayPlace(at_s=1.2, end_s=4.0, speed=2.0, playing=True)
    source = recorded()
    source.updates = (Replayed(run="demo", directory=str(trace), state=state_at(1.2), place=place),)
    snap_compare(app_of(source), terminal_size=SMALL, run_before=at("overview"))


def test_a_run_of_which_nothing_is_known_looks(snap_compare, recorded):
    source = recorded()
    joined = source.updates[0]
    source.updates = (type(joined)(run="demo", directory=joined.directory, state=LiveSnapshot()),)
    snap_compare(app_of(source), terminal_size=SMALL, run_before=at("overview"))


def test_help_and_a_question_look(snap_compare, recorded):
    snap_compare(app_of(recorded(2.2)), terminal_size=SMALL, run_before=at("queries", "question_mark"))
    snap_compare(app_of(recorded(2.2)), terminal_size=SMALL, run_before=at("workers", "c"))
