"""Replays against folds of the same events: at every position, forward and back, in two attempts at a run."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir.event import EpochStarted, RunFinished, RunStarted
from engine.ir.ids import RunId, WorkerId
from engine.ir.options import Mechanisms, RunOptions
from engine.journal.records import PlanRecord
from engine.journal.store import RunStore
from engine.journal.view import RunView
from engine.live.fold import LiveState
from engine.live.membership import KnownPlans
from engine.live.state import LiveSnapshot, QueryStatus
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import Draining, Extended, InputExhausted, LaneUp
from engine.processor.state import RunState
from engine.testing.journal_runs import example_meta
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.world import World
from haloctl.replay import Replay

PLAN = workflow(
    "w",
    [llm("w", "a", inputs=["q"]), llm("w", "b", reads=["a"], model="n")],
    inputs=["q"],
    outputs={"answer": "b"},
)


def attempt(store: RunStore, windows: list[list[int]], *, steps: int, resumed: bool) -> list:
    """Carry out an attempt, journaled in bursts as a run does; (plans, events)."""
    lane = LaneSpec(WorkerId("w0"), 2, 1 << 30, {"m": 1, "n": 1})
    state = RunState(RunId("r"), RunOptions(), Preparer({}, {}), Dispatcher((lane,), {}, Mechanisms()))
    world, chance, first, plans = World(state), random.Random(steps), 0, []
    if resumed:  # journals of earlier releases do not say that an attempt began
        world.events.append(RunStarted(at=0.0, run=RunId(store.directory.name), resumed=True))
    for number, rows in enumerate(windows):
        window = batch("w", [{"q": f"question {row % 5}"} for row in rows], first=rows[0])
        consolidated = consolidate((PLAN,), window, first_node=first)
        first += len(consolidated.nodes)
        plans.append(make_plan(consolidated, flat_profiles(["w0"], ["m", "n"], slots=2), Mechanisms()))
        store.append(PlanRecord(window=number, plan=plans[-1]))
        world.tell(Extended(plans[-1], lambda _key: None, lambda _key: False))
    world.tell(InputExhausted())
    world.tell(LaneUp(WorkerId("w0"), 1, "echo"))
    for _ in range(steps):
        if world.pending:
            world.step(chance.randrange(100))
    world.tell(Draining(at_once=True))
    world.events.append(RunFinished(at=world.at, report=world.state.report(world.at)))
    at = 0
    while at < len(world.events):
        size = chance.randint(1, 7)
        store.append_events(tuple(world.events[at : at + size]))
        at += size
    return [plans, world.events]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run of two attempts, and between them a plan of which nothing came."""
    directory = tmp_path_factory.mktemp("runs") / "r"
    with RunStore.create(directory, example_meta("r")) as store:
        first = attempt(store, [[0, 1, 2, 3, 4], [5, 6, 7]], steps=9, resumed=False)
        store.append(PlanRecord(window=0, plan=first[0][0]))
        second = attempt(store, [[3, 4, 5], [6, 7]], steps=1000, resumed=True)
    return directory, first, second


def fold(recorded, at_s: float) -> LiveSnapshot:
    """What the state must be at a position."""
    _directory, first, second = recorded
    base_s = first[1][-1].at
    known = KnownPlans()
    for number, (plans, _events) in enumerate((first, second), 1):
        for plan in plans:
            known.add(plan, attempt=number)
    state = LiveState(known, RunOptions().window_queries)
    state.absorb(RunStarted(at=0.0, run=RunId("r")))
    for event in first[1]:
        if event.at <= at_s:
            state.absorb(event)
    for event in second[1]:
        if base_s + event.at <= at_s:
            state.absorb(event)
    state.advance(at_s - (base_s if base_s <= at_s else 0.0))
    return state.snapshot()


def test_a_replay_ends_where_the_run_did(recorded):
    with RunView(recorded[0]) as view:
        replay = Replay(view)
        assert replay.events == 1 + len(recorded[1][1]) + len(recorded[2][1])
        assert replay.snapshot() == fold(recorded, 0.0)
        replay.seek(replay.end_s)
        now = replay.snapshot()
        assert replay.at_end
    assert now == fold(recorded, replay.end_s)
    assert (now.attempt, now.totals.finished) == (2, True)
    assert now.queries[3:] == bytes([QueryStatus.OK] * 5)


@settings(max_examples=60, deadline=None)
@given(jumps=st.lists(st.floats(-0.1, 1.2), max_size=8), every=st.sampled_from([3, 17, 10_000]))
def test_any_way_to_a_position_gives_its_state(recorded, jumps, every):
    with RunView(recorded[0]) as view:
        replay = Replay(view, checkpoint_events=every)
        for jump in jumps:
            replay.seek(jump * replay.end_s)
            assert replay.snapshot() == fold(recorded, replay.position_s)
            replay.step()


def test_steps_go_through_every_event_and_every_epoch(recorded):
    told = [RunStarted(at=0.0, run=RunId("r")), *recorded[1][1], *recorded[2][1]]
    with RunView(recorded[0]) as view:
        replay = Replay(view)
        assert replay.step() == told[1]
        stepped = [replay.step() for _ in told[2:]]
        assert stepped == told[2:]
        assert replay.step() is None
        replay.seek(0.0)
        epochs = [event for event in told if isinstance(event, EpochStarted)]
        assert [replay.step_epoch() for _ in epochs] == epochs
        assert replay.step_epoch() is None
        assert replay.at_end


def test_playing_moves_with_the_viewers_time_and_stops_at_the_end(recorded):
    with RunView(recorded[0]) as view:
        replay = Replay(view)
        assert not replay.advance(1.0)
        replay.play_or_pause()
        replay.set_speed(0.5)
        assert replay.advance(0.1)
        assert replay.position_s == pytest.approx(0.05)
        replay.set_speed(1e9)
        assert replay.speed == 1024.0
        replay.advance(1e6)
        assert (replay.position_s, replay.playing) == (replay.end_s, False)
        replay.play_or_pause()
        assert (replay.position_s, replay.playing) == (0.0, True)


def test_a_running_run_is_followed_as_it_grows(tmp_path):
    with RunStore.create(tmp_path / "r", example_meta("r")) as store, RunView(tmp_path / "r") as view:
        replay = Replay(view)
        assert (replay.at_end, replay.end_s, replay.step()) == (True, 0.0, None)
        store.append_events((RunStarted(at=0.0, run=RunId("r")), EpochStarted(at=2.0, index=0)))
        store.flush()
        assert replay.look_again()
        assert not replay.look_again()
        assert (replay.at_end, replay.end_s) == (False, 2.0)
        replay.seek(5.0)
        assert replay.snapshot().epochs[0].started_s == 2.0
