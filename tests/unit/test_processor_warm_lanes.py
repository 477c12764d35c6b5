"""What a run makes of models that an earlier one left on a worker."""

from __future__ import annotations

import pytest

from engine.ir.event import ModelLoading, WorkerReady
from engine.ir.ids import ModelName, RunId, WorkerId
from engine.ir.options import RunOptions
from engine.ir.request import BackendStatistics
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.attempts import Held
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import Dispatch, Extended, InputExhausted, LaneUp, Load, Resident
from engine.processor.state import RunState
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.world import World
from engine.wire.messages import Statistics

W = WorkerId("w0")
MODELS = tuple(map(ModelName, "mnp"))
M, N, P = MODELS
OLD = ModelName("old")


@pytest.fixture
def world() -> World:
    """Three operators on three models that fit beside each other, six queries, two slots."""
    lanes = (LaneSpec(W, 2, 300, dict.fromkeys(MODELS, 60)),)
    dispatcher = Dispatcher(lanes, {}, RunOptions().mechanisms)
    made = World(RunState(RunId("r"), RunOptions(), Preparer({}, {}), dispatcher))
    operators = [llm("w", f"on_{model}", inputs=["q"], model=model) for model in MODELS]
    plan = workflow("w", operators, inputs=["q"], outputs={"x": "on_m", "y": "on_n", "z": "on_p"})
    consolidated = consolidate((plan,), batch("w", [{"q": str(i)} for i in range(6)]))
    profiles = flat_profiles([W], MODELS, slots=2)
    made.tell(
        Extended(
            make_plan(consolidated, profiles, RunOptions().mechanisms), lambda _key: None, lambda _key: False
        )
    )
    made.tell(InputExhausted())
    return made


def loads(world: World) -> list[ModelName]:
    return [event.model for event in world.events if isinstance(event, ModelLoading)]


def test_work_starts_at_once_on_a_model_that_is_there_and_it_is_never_loaded(world: World):
    world.tell(LaneUp(W, 1, "echo", resident=(M,)))
    assert any(isinstance(pending, Dispatch) for pending in world.pending)
    while not world.finished:
        world.step(0)
    assert sorted(loads(world)) == [N, P]
    assert [event.resident for event in world.events if isinstance(event, WorkerReady)] == [(M,)]


def test_what_an_earlier_run_left_may_go_without_the_worker_counting_as_crowded(world: World):
    """A worker is crowded when a model this run believed beside another had to go."""
    world.tell(LaneUp(W, 1, "echo", resident=(M,)))
    [load] = [pending for pending in world.pending if isinstance(pending, Load)]
    world.pending.remove(load)
    world.tell(Resident(W, load.model, 0.1, unloaded=(OLD,)))
    assert len(loads(world)) == 2  # the third model comes while the others run


def test_a_worker_that_gives_up_a_model_of_this_run_counts_as_crowded(world: World):
    world.tell(LaneUp(W, 1, "echo", resident=(M,)))
    [load] = [pending for pending in world.pending if isinstance(pending, Load)]
    world.pending.remove(load)
    world.tell(Resident(W, load.model, 0.1, unloaded=(M,)))
    assert len(loads(world)) == 1


def test_counters_of_earlier_runs_are_no_gain_of_this_one():
    before = BackendStatistics(prefill_s=3.0, steps=10)
    view = Held(heartbeat_s=1.0, progress_at=0.0, counters={M: before})
    now = BackendStatistics(prefill_s=3.5, steps=12)
    gain = view.absorb(Statistics(at_s=9.0, resident_bytes=0, models={M: now}), 1.0)
    assert (gain.steps, gain.prefill_s) == (2, 0.5)
