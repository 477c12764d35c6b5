"""Which node goes next on a worker, and when a model is loaded."""

from __future__ import annotations

import pytest

from engine.ir.batch import Batch
from engine.ir.cost import fair_share
from engine.ir.ids import ModelName, WorkerId
from engine.optimizer.consolidate import consolidate
from engine.processor.lanes import QUEUE_AHEAD, LaneSpec, LlmLane, take_share
from engine.processor.nodes import NodeState, Window
from engine.testing.plans import batch, llm, workflow

M, N = ModelName("m"), ModelName("n")


@pytest.fixture
def nodes() -> dict[str, list[NodeState]]:
    plan = workflow(
        "w",
        [llm("w", "a", inputs=["q"], model="m"), llm("w", "b", inputs=["q"], model="n")],
        inputs=["q"],
        outputs={"x": "a", "y": "b"},
    )
    window: Batch = batch("w", [{"q": str(i)} for i in range(20)])
    consolidated = consolidate((plan,), window)
    live = Window(consolidated)
    states = [NodeState(n, consolidated.operators[n.operator], live) for n in consolidated.nodes]
    return {model: [s for s in states if s.model == model] for model in ("m", "n")}


def lane(
    name: str = "w0", memory: int = 100, slots: int = 2, pace_s: dict[ModelName, float] | None = None
) -> LlmLane:
    made = LlmLane(LaneSpec(WorkerId(name), slots, memory, {M: 60, N: 60}, pace_s or {}))
    made.up = True
    return made


def queue(target: LlmLane, states: list[NodeState], model: ModelName, epoch: int = 0) -> None:
    for i, state in enumerate(states):
        target.push(state, model, (epoch, 0, "", i))


def test_a_lane_takes_only_nodes_of_resident_models_in_plan_order(nodes):
    w = lane()
    queue(w, nodes["m"][:3], M, epoch=1)
    queue(w, nodes["n"][:3], N, epoch=0)
    assert w.pop() is None
    w.resident[M] = None
    assert w.pop() is nodes["m"][0]
    w.resident[N] = None
    assert w.pop() is nodes["n"][0]


def test_capacity_bounds_what_is_in_flight(nodes):
    w = lane(slots=1)
    w.resident[M] = None
    queue(w, nodes["m"], M)
    taken = []
    while (node := w.pop()) is not None:
        w.in_flight[node.id] = node
        taken.append(node)
    assert len(taken) == QUEUE_AHEAD


def test_a_model_that_does_not_fit_beside_waits_until_the_resident_one_has_nothing_left(nodes):
    w = lane(memory=100)
    w.resident[M] = None
    queue(w, nodes["m"][:1], M, epoch=1)
    queue(w, nodes["n"][:1], N, epoch=0)
    assert w.wanted_model(0.0) is None
    node = w.pop()
    assert node is not None
    w.in_flight[node.id] = node
    assert w.wanted_model(0.0) is None
    w.in_flight.clear()
    assert w.wanted_model(0.0) == N


def test_a_model_that_fits_is_loaded_at_once_and_planned_ones_ahead_of_need(nodes):
    w = lane(memory=200)
    w.resident[M] = None
    queue(w, nodes["m"][:1], M)
    w.preload.append(N)
    assert w.wanted_model(0.0) == N


def test_a_suspect_runs_alone_and_first(nodes):
    w = lane()
    w.resident[M] = None
    queue(w, nodes["m"][:2], M)
    w.suspects.append(nodes["m"][5])
    assert w.pop() is nodes["m"][5]
    assert w.solo
    assert w.pop() is None


def test_an_idle_lane_takes_half_of_what_waits_on_a_full_one_from_the_end_of_the_plan(nodes):
    idle, full = lane("w1"), lane("w0")
    idle.resident[M] = full.resident[M] = None
    queue(full, nodes["m"][:10], M)
    assert not take_share(idle, (idle, full))
    for _ in range(full.spec.slots):
        node = full.pop()
        assert node is not None
        full.in_flight[node.id] = node
    assert take_share(idle, (idle, full))
    assert full.pop() is nodes["m"][full.spec.slots]
    kept = (10 - full.spec.slots) // 2
    taken = nodes["m"][full.spec.slots + kept : 10]
    assert [idle.pop() for _ in taken] == taken
    assert {node.lane for node in taken} == {"w1"}
    assert not take_share(full, (idle, full))


@pytest.mark.parametrize(("idle_s", "taken"), [(9.0, 1), (100.0, 0), (0.1, 9)])
def test_what_an_idle_lane_takes_depends_on_how_fast_it_is(nodes, idle_s: float, taken: int):
    """Of ten calls, as many as let a worker end together with one that takes a second each."""
    idle, full = lane("w1", pace_s={M: idle_s}), lane("w0", pace_s={M: 1.0})
    idle.resident[M] = None
    full.up = False
    queue(full, nodes["m"][:10], M)
    assert take_share(idle, (idle, full)) == (taken > 0)
    assert (idle.queued([M]), full.queued([M])) == (taken, 10 - taken)


def test_a_fair_share_is_half_where_nothing_is_known():
    assert [fair_share(n, 0.0, 0.0) for n in (0, 1, 2, 9)] == [0, 1, 1, 5]
    assert [fair_share(n, 2.0, 2.0) for n in (0, 1, 2, 9)] == [0, 1, 1, 5]


def waiting_lane(nodes, *, ready: int) -> LlmLane:
    """Model m is resident and idle with planned work to come; `ready` nodes of model n wait."""
    w = lane(memory=100)
    w.resident[M] = None
    w.load_s = {M: 1.0, N: 3.0}
    w.count_unsettled(1, M, 5)
    queue(w, nodes["n"][:ready], N, epoch=2)
    return w


def test_planned_work_to_come_for_the_resident_model_holds_a_switch_back_as_long_as_two_switches_take(nodes):
    w = waiting_lane(nodes, ready=1)
    assert w.wanted_model(10.0) is None
    assert w.patience_s == 6.0
    assert w.wanted_model(15.9) is None
    assert w.wanted_model(16.0) == N


def test_the_wait_begins_anew_when_something_ran_in_between(nodes):
    w = waiting_lane(nodes, ready=1)
    assert w.wanted_model(10.0) is None
    w.in_flight[nodes["m"][0].id] = nodes["m"][0]
    assert w.wanted_model(15.0) is None
    w.in_flight.clear()
    assert w.wanted_model(16.0) is None
    assert w.wanted_model(22.0) == N


def test_a_full_load_of_other_work_or_nothing_to_come_switches_at_once(nodes):
    full = waiting_lane(nodes, ready=2 * QUEUE_AHEAD)
    assert full.wanted_model(10.0) == N
    done = waiting_lane(nodes, ready=1)
    done.count_unsettled(1, M, -5)
    assert done.wanted_model(10.0) == N
    later = waiting_lane(nodes, ready=1)
    later.count_unsettled(1, M, -5)
    later.count_unsettled(3, M, 5)
    assert later.wanted_model(10.0) == N


def test_a_worker_that_had_to_unload_what_should_fit_gets_one_model_at_a_time(nodes):
    w = lane(memory=200)
    w.resident[M] = None
    queue(w, nodes["n"][:1], N)
    assert w.wanted_model(0.0) == N
    w.crowded = True
    w.in_flight[nodes["m"][0].id] = nodes["m"][0]
    assert w.wanted_model(0.0) is None
