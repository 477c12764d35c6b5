"""Whatever fails, a run comes to an end: it finishes every row, or says why it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.ir.ids import RunId, WorkerId
from engine.ir.logical import LogicalPlan, Policy
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.result import Failure
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import Dispatch, Draining, Extended, InputExhausted, LaneUp, Load, Respawn
from engine.processor.state import RunState
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.tools import LookupTool
from engine.testing.world import World

WORKERS = ("w0", "w1")
ROOMY, TIGHT = 1 << 30, 1 << 20
MECHANISMS = (Mechanisms(), NAIVE, Mechanisms(coalesce=False), Mechanisms(overlap_tools=False))
TRANSIENT = Failure(code="http_status", message="503", retryable=True)


def plan_of() -> LogicalPlan:
    return workflow(
        "w",
        [
            llm("w", "key", inputs=["q"], retries=1),
            tool("w", "facts", reads=["key"]),
            tool("w", "early", inputs=["q"], policy=Policy(deterministic=True, effects="read", retries=2)),
            llm("w", "left", reads=["facts", "key"], model="m"),
            llm("w", "right", reads=["early"], model="n", retries=1),
            llm("w", "merge", reads=["left", "right"], deterministic=False),
        ],
        inputs=["q"],
        outputs={"answer": "merge"},
    )


def world_for(mechanisms: Mechanisms, values: list[int], *, memory: int = ROOMY) -> World:
    lanes = tuple(LaneSpec(WorkerId(w), 2, memory, {"m": 1 << 20, "n": 1 << 20}) for w in WORKERS)
    dispatcher = Dispatcher(lanes, {"lookup": 2}, mechanisms)
    preparer = Preparer({"lookup": LookupTool()}, {})
    world = World(RunState(RunId("r"), RunOptions(mechanisms=mechanisms), preparer, dispatcher))
    window = batch("w", [{"q": f"question {v}"} for v in values])
    consolidated = consolidate((plan_of(),), window, merge=mechanisms.merge)
    plan = make_plan(consolidated, flat_profiles(WORKERS, ["m", "n"], slots=2), mechanisms)
    world.tell(Extended(plan, lambda _key: None, lambda _key: False))
    world.tell(InputExhausted())
    return world


def start(world: World, *workers: str) -> None:
    for name in workers:
        world.tell(LaneUp(WorkerId(name), 1, "echo"))


@dataclass
class Trouble:
    """What goes wrong in one run, and how often."""

    never_starts: str | None
    refused: tuple[str, str] | None
    crashes_loading: tuple[str, str] | None
    fails: float = 0.0
    drains: float = 0.0
    kills: int = 0


def play(world: World, rng: Random, trouble: Trouble) -> None:
    """Let pending things happen in any order, with the trouble asked for, until nothing is pending."""
    for name in WORKERS:
        if name == trouble.never_starts:
            world.kill(name, blamed=True)
        else:
            start(world, name)
    for _ in range(5000):
        if world.finished or world.aborted or not world.pending:
            return
        at = rng.randrange(len(world.pending))
        entry = world.pending[at]
        loads = (entry.worker, entry.model) if isinstance(entry, Load) else None
        if isinstance(entry, Respawn) and entry.worker == trouble.never_starts:
            world.kill(entry.worker, blamed=True)
        elif isinstance(entry, Load) and loads == trouble.refused:
            world.refuse_load(entry)
        elif isinstance(entry, Load) and loads == trouble.crashes_loading:
            world.kill(entry.worker, blamed=True)
        elif rng.random() < trouble.drains:
            world.tell(Draining())
        elif trouble.kills and isinstance(entry, Dispatch) and entry.lane in WORKERS and rng.random() < 0.1:
            trouble.kills -= 1
            world.kill(entry.lane, blamed=rng.random() < 0.5)
        else:
            world.step(at, failure=TRANSIENT if rng.random() < trouble.fails else None)


PLACES = st.one_of(st.none(), st.tuples(st.sampled_from(WORKERS), st.sampled_from(["m", "n"])))


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    mechanisms=st.sampled_from(MECHANISMS),
    memory=st.sampled_from([ROOMY, TIGHT]),
    never_starts=st.sampled_from([None, None, *WORKERS]),
    refused=PLACES,
    crashes_loading=PLACES,
    drains=st.sampled_from([0.0, 0.0, 0.05]),
    kills=st.integers(0, 3),
)
def test_a_run_ends_whatever_fails(
    seed, mechanisms, memory, never_starts, refused, crashes_loading, drains, kills
):
    rng = Random(seed)
    world = world_for(mechanisms, [rng.randrange(4) for _ in range(rng.randrange(1, 8))], memory=memory)
    trouble = Trouble(never_starts, refused, crashes_loading, fails=0.1, drains=drains, kills=kills)
    play(world, rng, trouble)
    assert world.finished or world.aborted
    nodes = world.state.report(1.0).nodes
    settled = nodes.executed + nodes.coalesced + nodes.cached + nodes.skipped + nodes.failed
    if drains:
        assert settled <= nodes.logical
        return
    if world.aborted:
        assert never_starts
        assert refused or crashes_loading  # nobody is left for one of the models
        return
    assert settled == nodes.logical
    assert len(world.rows) == nodes.logical // 6


def test_work_of_a_worker_that_never_starts_is_done_by_the_other():
    world = world_for(Mechanisms(), [0, 1, 2, 3])
    play(world, Random(1), Trouble("w0", None, None))
    assert world.aborted is None
    assert {row.status for row in world.rows} == {"ok"}


def test_the_only_worker_that_never_starts_stops_the_run():
    world = world_for(Mechanisms(), [0])
    for name in (*WORKERS, *(WORKERS * 5)):
        if world.aborted is None:
            world.kill(name, blamed=True)
    assert world.aborted is not None
    assert world.aborted.error.code == "circuit_open"
    assert world.rows == []


def test_nodes_that_become_ready_after_a_model_was_refused_go_elsewhere():
    world = world_for(Mechanisms(), [0, 1, 2])
    play(world, Random(3), Trouble(None, ("w0", "n"), None))
    assert {row.status for row in world.rows} == {"ok"}
    lanes = {e.lane for e in world.events if type(e).__name__ == "NodeDispatched" and e.operator == "w/right"}
    assert "w0" not in lanes


def test_a_model_no_worker_can_load_fails_its_rows_with_the_reason():
    world = world_for(Mechanisms(), [0, 1])
    start(world, *WORKERS)
    for _ in range(200):
        if not world.pending:
            break
        bad = next((e for e in world.pending if isinstance(e, Load) and e.model == "n"), None)
        if bad is not None:
            world.refuse_load(bad)
        else:
            world.step(0)
    assert world.finished
    errors = [row.error for row in world.rows]
    assert all(error is not None and "refused by the test" in error.message for error in errors)


@pytest.mark.parametrize("mechanisms", [Mechanisms(), NAIVE], ids=["planned", "naive"])
def test_many_poison_rows_are_quarantined_one_by_one(mechanisms):
    world = world_for(mechanisms, list(range(12)))
    start(world, *WORKERS)
    bad_rows = {f"question {v}" for v in (1, 2, 3, 5, 8, 9)}

    def poison(entry) -> bool:
        request = getattr(getattr(entry, "work", None), "request", None)
        return request is not None and request.messages[-1].content.removeprefix("key: ") in bad_rows

    for _ in range(3000):
        if not world.pending or world.aborted:
            break
        bad = next((e for e in world.pending if poison(e)), None)
        if bad is not None:
            world.kill(bad.lane, blamed=True)
        else:
            world.step(0)
    assert world.aborted is None
    assert world.finished
    assert sum(row.status == "quarantined" for row in world.rows) == 6
    assert sum(row.status == "ok" for row in world.rows) == 6
    assert all(row.error.attempts <= 3 for row in world.rows if row.error)


def test_a_row_that_is_killed_from_outside_every_time_is_given_up_and_the_others_finish():
    world = world_for(Mechanisms(), list(range(6)))
    start(world, *WORKERS)

    def hungry(entry) -> bool:
        request = getattr(getattr(entry, "work", None), "request", None)
        return request is not None and request.messages[-1].content == "key: question 4"

    for _ in range(600):
        if not world.pending or world.aborted:
            break
        bad = next((e for e in world.pending if hungry(e)), None)
        if bad is not None:
            world.kill(bad.lane, blamed=False)
        else:
            world.step(-1)
    assert world.aborted is None
    assert world.finished
    statuses = {row.id: row.status for row in world.rows}
    assert statuses.pop("q4") == "failed"
    assert set(statuses.values()) == {"ok"}
    error = next(row.error for row in world.rows if row.id == "q4")
    assert error is not None
    assert error.code == "worker_lost"


def test_draining_leaves_a_failed_attempt_to_the_resumed_run():
    world = world_for(Mechanisms(), [0])
    start(world, *WORKERS)
    while not any(isinstance(e, Dispatch) and e.lane == "lookup" for e in world.pending):
        world.step(0)
    at = next(i for i, e in enumerate(world.pending) if isinstance(e, Dispatch) and e.lane == "lookup")
    world.tell(Draining())
    world.step(at, failure=TRANSIENT)
    assert not any(record.operator == "w/early" for record in world.records)
    assert world.rows == []


def test_a_stop_at_once_does_not_wait_for_what_runs():
    world = world_for(Mechanisms(), [0])
    start(world, *WORKERS)
    while not any(isinstance(entry, Dispatch) for entry in world.pending):
        world.step(0)
    world.tell(Draining())
    assert not world.finished
    world.tell(Draining(at_once=True))
    assert world.finished
    assert world.state.report(1.0).status == "stopped"


@pytest.mark.parametrize(("key", "attempts"), [(None, 1), ("k", 3)])
def test_a_write_is_retried_only_with_an_idempotency_key(key, attempts):
    write = tool("w", "write", inputs=["q"], policy=Policy(effects="write", retries=2))
    if key is not None:
        write = replace(write, arguments={**write.arguments, "idempotency_key": key})
    plan = workflow("w", [write], inputs=["q"], outputs={"done": "write"})
    consolidated = consolidate((plan,), batch("w", [{"q": "a"}]))
    physical = make_plan(consolidated, flat_profiles(["w0"], ["m"]), Mechanisms())
    world = World(world_for(Mechanisms(), []).state)
    world.tell(Extended(physical, lambda _key: None, lambda _key: False))
    while world.pending:
        world.step(0, failure=TRANSIENT)
    assert len(world.dispatched) == attempts


def asks_poison(entry, poison: set[int]) -> bool:
    request = getattr(getattr(entry, "work", None), "request", None)
    return request is not None and request.messages[-1].content in {f"key: question {v}" for v in poison}


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 30), mechanisms=st.sampled_from(MECHANISMS))
def test_no_innocent_row_is_lost_among_poison_rows_and_kills(seed, mechanisms):
    """Poison rows crash or hang whatever runs them; outside kills strike anything, three times at most."""
    rng = Random(seed)
    values = [rng.randrange(30) for _ in range(rng.randrange(2, 24))]
    poison = {value for value in values if rng.random() < 0.2}
    kills = rng.randrange(4)
    world = world_for(mechanisms, values)
    start(world, *WORKERS)
    while world.pending and not world.aborted:
        at = rng.randrange(len(world.pending))
        entry = world.pending[at]
        if asks_poison(entry, poison):
            world.kill(entry.lane, blamed=True)
        elif kills and isinstance(entry, Dispatch) and entry.lane in WORKERS and rng.random() < 0.1:
            kills -= 1
            world.kill(entry.lane, blamed=False)
        else:
            world.step(at)
    assert world.aborted is None
    assert world.finished
    for row in world.rows:
        assert row.status == ("quarantined" if values[row.index] in poison else "ok")
    for record in world.records:
        failure = getattr(record.outcome, "failure", None)
        assert failure is None or failure.attempts <= 3 + 3  # three of the worker's own crashes, three kills
