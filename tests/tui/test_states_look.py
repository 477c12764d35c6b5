"""States that a run and a view of it can be in: each has its picture, on a small and a large terminal."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.ir.event import RunDraining, RunPaused
from haloctl.tui.model import Aftermath, Ended, Gone, Replayed, ReplayPlace

SIZES = [(80, 24), (160, 46)]
HALF_WAY, AT_THE_END = 2.2, 9.0
LONG_S = 600.0
LEFT_OUT = 40
"""Spans of the recorded run that a slow viewer was not told of."""


def with_state(source, state, **fields):
    """The source, joining a run that is in another state."""
    [joined] = source.updates
    source.updates = (replace(joined, state=state, **fields),)
    return source


@pytest.mark.parametrize("size", SIZES)
def test_what_a_view_was_too_slow_for_is_told(recorded, state_at, show, press, look_at, size):
    whole = state_at(HALF_WAY)
    told = replace(whole, spans=whole.spans[LEFT_OUT:], spans_dropped=LEFT_OUT, failures_dropped=2)

    async def steps(pilot):
        await look_at(pilot, "state-skipped")
        await press(pilot, "2")
        await look_at(pilot, "state-skipped-workers")

    show(with_state(recorded(), told, missed=3), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_the_workers_and_logs_of_a_finished_run_look(recorded, show, press, look_at, size):
    async def steps(pilot):
        await press(pilot, "2")
        await look_at(pilot, "finished-workers")
        await press(pilot, "enter")
        await look_at(pilot, "finished-log-of-a-worker")
        await press(pilot, "slash", *"slow", "enter")
        await look_at(pilot, "finished-log-filtered")

    show(recorded(AT_THE_END), size, steps)


ORDERED = {
    "paused": RunPaused(at=HALF_WAY),
    "stopping": RunDraining(at=HALF_WAY, at_once=False),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ORDERED)
def test_a_run_that_was_told_to_wait_or_stop_looks(recorded, state_at, show, look_at, name, size):
    async def steps(pilot):
        await look_at(pilot, f"state-{name}")

    show(with_state(recorded(), state_at(HALF_WAY, ORDERED[name])), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_pages_of_a_run_whose_process_is_gone_look(recorded, show, press, look_at, size):
    killed = Aftermath(words="killed by signal 9 (SIGKILL)", go_on="haloctl resume demo")

    async def steps(pilot):
        for page, name in (("2", "workers"), ("3", "queries")):
            await press(pilot, page)
            await look_at(pilot, f"state-gone-{name}")

    show(recorded(HALF_WAY, Gone(aftermath=killed)), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_pages_of_a_run_that_was_stopped_look(recorded, show, press, look_at, size):
    over = Ended(words="exit code 75: stopped, can be resumed", go_on="haloctl resume demo")

    async def steps(pilot):
        for page, name in (("2", "workers"), ("6", "plan")):
            await press(pilot, page)
            await look_at(pilot, f"state-stopped-{name}")

    show(recorded(HALF_WAY, over), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_a_replay_looks_paused_and_at_its_end(recorded, standing, state_at, show, rest, look_at, size):
    [joined] = recorded().updates

    def at(at_s, **place):
        place = ReplayPlace(at_s=at_s, end_s=3.6, playing=False, **place)
        return Replayed(run=joined.run, directory=joined.directory, state=state_at(at_s), place=place)

    source = standing(at(0.9, speed=0.5))

    async def steps(pilot):
        await look_at(pilot, "replay-paused")
        source.tell(at(3.6, speed=8.0))
        await rest(pilot)
        await look_at(pilot, "replay-at-its-end")

    show(source, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_the_end_of_a_replay_whose_run_broke_off_looks(
    recorded, standing, state_at, show, press, look_at, size
):
    [joined] = recorded().updates
    killed = Aftermath(
        words="killed by signal 9 (SIGKILL)",
        log=("worker-1 took 4 prompts", "Killed"),
        go_on="haloctl resume demo",
    )
    place = ReplayPlace(at_s=HALF_WAY, end_s=HALF_WAY, speed=1.0, playing=False)
    ended = Replayed(
        run=joined.run, directory=joined.directory, state=state_at(HALF_WAY), place=place, aftermath=killed
    )

    async def steps(pilot):
        await look_at(pilot, "state-interrupted")
        await press(pilot, "3")
        await look_at(pilot, "state-interrupted-queries")

    show(standing(ended), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_questions_that_orders_ask_look(recorded, show, press, look_at, size):
    async def steps(pilot):
        await press(pilot, "2", "R")
        await look_at(pilot, "question-restart-worker")
        await press(pilot, "escape", "3", *"jjjjjjj", "x")
        await look_at(pilot, "question-cancel-row")
        await press(pilot, "right")
        await look_at(pilot, "question-yes-focused")

    show(recorded(HALF_WAY), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_said_to_orders_looks(recorded, show, press, rest, look_at, size):
    source = recorded(HALF_WAY)

    async def steps(pilot):
        pilot.app.NOTIFICATION_TIMEOUT = LONG_S
        await press(pilot, "p", "3", *"jjjjjjj", "y")
        await look_at(pilot, "said")
        source.tell(Gone(aftermath=Aftermath(words="killed", go_on="haloctl resume demo")))
        await rest(pilot)  # r is another key once the page knows
        await press(pilot, "r")
        await look_at(pilot, "said-too-late")

    show(source, size, steps, notifications=True)


@pytest.mark.parametrize("size", SIZES)
def test_the_help_of_each_kind_of_page_looks(recorded, show, press, look_at, size):
    async def steps(pilot):
        for page, name in (("1", "graph"), ("7", "logs")):
            await press(pilot, page, "question_mark")
            await look_at(pilot, f"help-{name}")
            await press(pilot, "escape")

    show(recorded(HALF_WAY), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_the_help_of_a_replay_looks(recorded, standing, state_at, show, press, look_at, size):
    [joined] = recorded().updates
    place = ReplayPlace(at_s=HALF_WAY, end_s=3.6, speed=1.0, playing=False)
    replayed = Replayed(run=joined.run, directory=joined.directory, state=state_at(HALF_WAY), place=place)

    async def steps(pilot):
        await press(pilot, "3", "question_mark")
        await look_at(pilot, "help-replay")

    show(standing(replayed), size, steps)
