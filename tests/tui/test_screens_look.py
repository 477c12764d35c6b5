"""Every page and state of a run's screen against goldens: in all looks, on a small and a large terminal."""

from __future__ import annotations

import asyncio

import pytest

from engine.ir.ids import OperatorId
from engine.live.state import LiveSnapshot
from haloctl.tui.app import RunApp
from haloctl.tui.model import PAGES, Aftermath, Ended, Gone, Lost, Replayed, ReplayPlace
from haloctl.tui.screens.opened import Opened
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.source import NOT_HEARD

SIZES = [(80, 24), (160, 46)]
HALF_WAY, AT_THE_END = 2.2, 9.0
KILLED = Aftermath(
    words="the run's process is gone without a word: it was killed, or crashed",
    log=("loading", "error: out of memory"),
    go_on="haloctl resume demo",
)


def show(source, size, steps):
    """Run the interface over a source, and take steps in it."""

    async def run():
        app = RunApp(source, clock=lambda: 0.0)
        async with app.run_test(size=size) as pilot:
            while not any(worker.group == "source" for worker in app.workers):
                await pilot.pause(0.01)  # the first page stands before the source is listened to
            await rest(pilot)
            await steps(pilot)

    asyncio.run(run())


async def rest(pilot):
    """Nothing is left to be read, and all of it is drawn."""
    [screen] = [each for each in pilot.app.screen_stack if isinstance(each, RunScreen)]
    for _ in range(3):
        await pilot.pause()
        while reading := [w for w in pilot.app.workers if w.group in ("rows", "path", "nodes")]:
            await pilot.app.workers.wait_for_complete(reading)
        screen._tick()
        screen._flush()
    await pilot.pause()


async def press(pilot, *keys):
    for key in keys:
        await pilot.press(key)
        await rest(pilot)


def page_key(page):
    return str(PAGES.index(page) + 1)


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_a_running_run_look(recorded, look_at, size):
    async def steps(pilot):
        for page in ("overview", "workers", "queries", "plan", "logs", "query", "operator"):
            await press(pilot, page_key(page))
            await look_at(pilot, f"running-{page}")

    show(recorded(HALF_WAY), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_a_finished_run_look(recorded, look_at, size):
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


def test_where_and_why_calls_failed_stands_beside_them(recorded, look_at):
    async def steps(pilot):
        pilot.app.screen.page.post_message(Opened(operator=OperatorId("notes/look_up")))
        await rest(pilot)
        await press(pilot, "slash", *"state", "colon", *"failed", "enter")
        await look_at(pilot, "failed-operator")

    show(recorded(AT_THE_END), (120, 40), steps)


@pytest.mark.parametrize("size", SIZES)
def test_what_stands_over_a_page_looks(recorded, look_at, size):
    async def steps(pilot):
        await press(pilot, page_key("queries"), "question_mark")
        await look_at(pilot, "help")
        await press(pilot, "escape", "c")
        await look_at(pilot, "question")

    show(recorded(HALF_WAY), size, steps)


def nothing_yet(recorded, state_at):
    source = recorded()
    joined = source.updates[0]
    source.updates = (type(joined)(run="demo", directory=joined.directory, state=LiveSnapshot()),)
    return source


def connecting(recorded, state_at):
    source = recorded()
    source.updates = (Lost(words="the run has not begun to listen"),)
    return source


def reconnecting(recorded, state_at):
    return recorded(HALF_WAY, Lost(words="the connection ended without a farewell"))


def gone(recorded, state_at):
    return recorded(HALF_WAY, Gone(aftermath=KILLED))


def stopped(recorded, state_at):
    words = "exit code 75: stopped, can be resumed"
    return recorded(HALF_WAY, Ended(words=words, go_on="haloctl resume demo"))


class Standing:
    """A replay at one moment, which no key moves."""

    takes_orders = False

    def __init__(self, told):
        self.told = told

    async def follow(self, tell):
        tell(self.told)
        await asyncio.Event().wait()

    async def ask(self, order):
        return NOT_HEARD

    def stay(self, *_to):
        """Every movement."""

    play_or_pause = step = faster = seek = skip = stay


def replayed(recorded, state_at):
    [joined] = recorded().updates
    place = ReplayPlace(at_s=1.2, end_s=4.0, speed=2.0, playing=True)
    return Standing(Replayed(run="demo", directory=joined.directory, state=state_at(1.2), place=place))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", [nothing_yet, connecting, reconnecting, gone, stopped, replayed])
def test_a_state_of_the_connection_looks(recorded, state_at, look_at, state, size):
    async def steps(pilot):
        await look_at(pilot, f"state-{state.__name__.replace('_', '-')}")

    show(state(recorded, state_at), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_a_view_that_stands_still_looks(recorded, look_at, size):
    async def steps(pilot):
        await press(pilot, "space")
        await look_at(pilot, "state-frozen")

    show(recorded(HALF_WAY), size, steps)
