"""A run from its journal on the screen: it plays by itself, and keys move it in time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.ir.event import EpochStarted
from engine.journal.view import RunView
from haloctl.tui.app import RunApp
from haloctl.tui.model import Gone, Lost, Replayed
from haloctl.tui.replay_source import WHOLE_S, ReplaySource
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.screens.transport_line import TransportLine


class Clock:
    """Seconds that pass only when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def told_by(directory, *steps, clock=None):
    """What a source tells while `steps` are done to it one after another, each when it has come to rest."""

    async def run():
        source = ReplaySource(directory, clock or Clock())
        told = []
        task = asyncio.ensure_future(source.follow(told.append))
        for step in (lambda _source: None, *steps):
            count = len(told)
            step(source)
            for _ in range(200):
                await asyncio.sleep(0.02)
                if len(told) > count and not isinstance(told[-1], Lost):
                    break
            await asyncio.sleep(0.1)
        task.cancel()
        return told

    return asyncio.run(run())


def test_a_replay_begins_to_play_by_itself_from_the_beginning(trace):
    first, *rest = told_by(trace)
    assert first == Lost(words="reading the journal")
    assert isinstance(rest[0], Replayed)
    place = rest[0].place
    assert (place.at_s, place.playing, place.speed) == (0.0, True, 1.0)
    assert 3 < place.end_s < WHOLE_S


def test_moving_in_time_shows_the_state_of_that_moment(trace, state_at):
    def to(at_s):
        return lambda source: source.seek(at_s)

    *_, late = told_by(trace, lambda source: source.play_or_pause(), to(2.2))
    assert late.state.queries == state_at(2.2).queries
    assert late.place.at_s == 2.2
    *_, back = told_by(trace, lambda source: source.play_or_pause(), to(2.2), to(1.2))
    assert back.state.operators == state_at(1.2).operators


def test_steps_and_epochs_stop_at_events(trace):
    *_, stepped = told_by(trace, lambda source: source.step())
    assert not stepped.place.playing
    *_, epoch = told_by(trace, lambda source: source.step(epochs=True))
    assert [each.started_s for each in epoch.state.epochs] == [epoch.place.at_s]


def test_time_passes_at_the_speed_that_was_chosen(trace):
    clock = Clock()

    def pass_time(_source):
        clock.now += 0.5

    *_, last = told_by(trace, lambda source: source.faster(2.0), pass_time, clock=clock)
    assert last.place.speed == 2.0
    assert last.place.at_s == pytest.approx(1.0)


def test_a_journal_that_cannot_be_read_is_said_to_be_so(tmp_path: Path):
    (tmp_path / "journal.sqlite").write_bytes(b"no journal")
    *_, last = told_by(tmp_path)
    assert isinstance(last, Gone)
    assert "cannot be read" in last.aftermath.words


async def until(pilot, condition):
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("it did not come to that")


def replayed(trace, look):
    """Drive a replay with `look(app, pilot, screen)` once it plays, and leave it."""

    async def run():
        app = RunApp(ReplaySource(trace, Clock()), clock=lambda: 0.0)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await until(
                pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.view.replay is not None
            )
            screen = app.screen
            await until(pilot, lambda: screen.query_one(TransportLine).display)
            await look(app, pilot, screen)
            await pilot.press("q")
            await until(pilot, lambda: app.return_value is not None)

    asyncio.run(run())


def test_keys_and_clicks_play_step_and_move(trace):
    with RunView(trace) as view:
        first_epoch_s = next(event.at for event in view.events() if isinstance(event, EpochStarted))

    async def look(_app, pilot, screen):
        async def place_after(key):
            before = screen.view.replay
            await pilot.press(key)
            await until(pilot, lambda: screen.view.replay != before)
            return screen.view.replay

        assert not (await place_after("space")).playing
        assert (await place_after("greater_than_sign")).speed == 2.0
        assert (await place_after("less_than_sign")).speed == 1.0
        on = await place_after("right_square_bracket")
        assert on.at_s == pytest.approx(on.end_s * 0.05)
        assert (await place_after("left_square_bracket")).at_s == 0.0
        assert (await place_after("full_stop")).at_s > 0.0
        assert (await place_after("right_curly_bracket")).at_s == pytest.approx(first_epoch_s)
        before = screen.view.replay.at_s
        await pilot.click(TransportLine, offset=(60, 0))
        await until(pilot, lambda: screen.view.replay.at_s > before)

    replayed(trace, look)


def test_a_replay_has_no_keys_for_orders_and_says_that_leaving_leaves_it(trace):
    async def look(app, pilot, screen):
        for page in ("1", "2", "3", "4"):
            await pilot.press(page)
            shown = {b.action for _, b, enabled, _ in screen.active_bindings.values() if enabled}
            assert not shown & {"pause", "requeue", "cancel", "cancel_row", "restart"}
            assert "open" in shown or page == "1"
        usable = {found.binding.tooltip for found in screen.active_bindings.values() if found.enabled}
        assert "Leave this view" in usable
        assert not any("goes on" in words for words in usable)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: [note.message for note in app._notifications] == ["q leaves the replay"])

    replayed(trace, look)
