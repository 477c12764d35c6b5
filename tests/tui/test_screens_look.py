"""Every page and state of a run's screen against goldens: in all looks, on a small and a large terminal."""

from __future__ import annotations

import pytest

from engine.ir.ids import OperatorId
from engine.live.state import LiveSnapshot
from haloctl.tui.model import PAGES, Aftermath, Ended, Gone, Lost, Replayed, ReplayPlace
from haloctl.tui.screens.opened import Opened

SIZES = [(80, 24), (160, 46)]
HALF_WAY, AT_THE_END = 2.2, 9.0
KILLED = Aftermath(
    words="the run's process is gone without a word: it was killed, or crashed",
    log=("loading", "error: out of memory"),
    go_on="haloctl resume demo",
)


def page_key(page):
    return str(PAGES.index(page) + 1)


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_a_running_run_look(recorded, show, press, look_at, size):
    async def steps(pilot):
        for page in ("overview", "workers", "queries", "plan", "logs"):
            await press(pilot, page_key(page))
            await look_at(pilot, f"running-{page}")

    show(recorded(HALF_WAY), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_a_finished_run_look(recorded, show, press, look_at, size):
    async def steps(pilot):
        await look_at(pilot, "finished-overview")
        await press(pilot, "l", "enter")
        await look_at(pilot, "finished-operator")
        await press(pilot, page_key("queries"), "slash", *"state:failed", "enter")
        await look_at(pilot, "finished-queries-filtered")
        await press(pilot, "escape", "j", "j", "enter", "j", "j")
        await look_at(pilot, "finished-query")
        await press(pilot, page_key("plan"))
        await look_at(pilot, "finished-plan")

    show(recorded(AT_THE_END), size, steps)


def test_where_and_why_calls_failed_stands_beside_them(recorded, show, press, rest, look_at):
    async def steps(pilot):
        pilot.app.screen.page.post_message(Opened(operator=OperatorId("notes/look_up")))
        await rest(pilot)
        await press(pilot, "slash", *"state", "colon", *"failed", "enter")
        await look_at(pilot, "failed-operator")

    show(recorded(AT_THE_END), (120, 40), steps)


@pytest.mark.parametrize("size", SIZES)
def test_what_stands_over_a_page_looks(recorded, show, press, look_at, size):
    async def steps(pilot):
        await press(pilot, page_key("queries"), "question_mark")
        await look_at(pilot, "help")
        await press(pilot, "escape", "c")
        await look_at(pilot, "question")

    show(recorded(HALF_WAY), size, steps)


def nothing_yet(recorded, state_at, _standing):
    source = recorded()
    joined = source.updates[0]
    source.updates = (type(joined)(run="demo", directory=joined.directory, state=LiveSnapshot()),)
    return source


def connecting(recorded, state_at, _standing):
    source = recorded()
    source.updates = (Lost(words="the run has not begun to listen"),)
    return source


def reconnecting(recorded, state_at, _standing):
    return recorded(HALF_WAY, Lost(words="the connection ended without a farewell"))


def gone(recorded, state_at, _standing):
    return recorded(HALF_WAY, Gone(aftermath=KILLED))


def stopped(recorded, state_at, _standing):
    words = "exit code 75: stopped, can be resumed"
    return recorded(HALF_WAY, Ended(words=words, go_on="haloctl resume demo"))


def replayed(recorded, state_at, standing):
    [joined] = recorded().updates
    place = ReplayPlace(at_s=1.2, end_s=4.0, speed=2.0, playing=True)
    return standing(Replayed(run="demo", directory=joined.directory, state=state_at(1.2), place=place))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", [nothing_yet, connecting, reconnecting, gone, stopped, replayed])
def test_a_state_of_the_connection_looks(recorded, state_at, standing, show, look_at, state, size):
    async def steps(pilot):
        await look_at(pilot, f"state-{state.__name__.replace('_', '-')}")

    show(state(recorded, state_at, standing), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_a_view_that_stands_still_looks(recorded, show, press, look_at, size):
    async def steps(pilot):
        await press(pilot, "space")
        await look_at(pilot, "state-frozen")

    show(recorded(HALF_WAY), size, steps)
