"""Orders to a running run, in any interleaving with what happens anyway: the run stays whole."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir import event as ev
from engine.ir.batch import Batch
from engine.ir.ids import RunId, WorkerId
from engine.ir.logical import LogicalPlan, Policy
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.result import Completed, Failed, Failure
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import (
    Dispatch,
    Extended,
    InputExhausted,
    LaneUp,
    LetGo,
    Requeued,
    Restart,
    TakeBack,
)
from engine.processor.state import RunState
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.tools import LookupTool
from engine.testing.world import World
from engine.wire.orders import (
    CancelQuery,
    CancelRun,
    ContinueRun,
    Done,
    LimitCalls,
    LimitSequences,
    LimitTotal,
    PauseRun,
    Refused,
    RequeueFailed,
    RestartWorker,
)

WORKERS = ("w0", "w1")
MECHANISMS = (Mechanisms(), NAIVE, Mechanisms(coalesce=False), Mechanisms(merge=False))
HARD = Failure(code="sql_error", message="no", retryable=False)
SOFT = Failure(code="http_status", message="503", retryable=True)


def plan_of() -> LogicalPlan:
    return workflow(
        "w",
        [
            llm("w", "key", inputs=["q"], retries=1),
            tool("w", "facts", reads=["key"]),
            tool("w", "early", inputs=["q"], policy=Policy(deterministic=True, effects="read", retries=1)),
            llm("w", "left", reads=["facts", "key"], model="m"),
            llm("w", "right", reads=["early"], model="n", retries=1),
            llm("w", "merge", reads=["left", "right"], deterministic=False),
        ],
        inputs=["q"],
        outputs={"answer": "merge"},
    )


class Scene:
    """A world with its table, and the planner and journal that take rows back."""

    def __init__(
        self, mechanisms: Mechanisms, values: list[int], workflow: LogicalPlan | None = None
    ) -> None:
        self.workflow = workflow or plan_of()
        lanes = tuple(LaneSpec(WorkerId(w), 2, 1 << 30, {"m": 1 << 20, "n": 1 << 20}) for w in WORKERS)
        self.mechanisms = mechanisms
        self.dispatcher = Dispatcher(lanes, {"lookup": 2}, mechanisms)
        options = RunOptions(mechanisms=mechanisms)
        state = RunState(RunId("r"), options, Preparer({"lookup": LookupTool()}, {}), self.dispatcher)
        self.world = World(state, self.take_back)
        self.queries = batch("w", [{"q": f"question {v}"} for v in values]).queries
        self.next_node = 0
        self.again: Counter[int] = Counter()
        self.world.tell(Extended(self.plan(range(len(values))), lambda _key: None, lambda _key: False))
        self.world.tell(InputExhausted())
        for name in WORKERS:
            self.world.tell(LaneUp(WorkerId(name), 1, "echo"))

    def plan(self, rows):
        window = Batch(queries=tuple(self.queries[row] for row in rows))
        consolidated = consolidate(
            (self.workflow,), window, first_node=self.next_node, merge=self.mechanisms.merge
        )
        self.next_node += len(consolidated.nodes)
        return make_plan(consolidated, flat_profiles(WORKERS, ["m", "n"], slots=2), self.mechanisms)

    def take_back(self, world: World, asked: TakeBack) -> Requeued:
        latest = {row.index: row for row in world.rows}
        bad = [
            row
            for row in latest.values()
            if row.error and (row.id in asked.queries if asked.queries else row.error.code != "cancelled")
        ]
        if not bad:
            return Requeued(asked.ticket, (), 0, None)
        rows = tuple(row.index for row in bad)
        self.again.update(rows)
        known = {r.key: r.outcome for r in world.records if isinstance(r.outcome, Completed)}
        extended = Extended(self.plan(rows), known.get, lambda _key: False)
        return Requeued(asked.ticket, rows, 0, extended)

    def finish(self) -> None:
        for _ in range(5000):
            if self.world.finished or self.world.aborted or not self.world.pending:
                return
            self.world.step(0)

    @property
    def latest(self):
        return {row.index: row for row in self.world.rows}


def assert_whole(scene: Scene) -> None:
    """The run ended, each row came once for each time it was asked for, and nothing is left over."""
    world = scene.world
    assert world.finished
    assert world.aborted is None
    emitted = Counter(row.index for row in world.rows)
    assert emitted == Counter({q.index: 1 + scene.again[q.index] for q in scene.queries})
    nodes = world.state.report(1.0).nodes
    assert nodes.logical == nodes.executed + nodes.coalesced + nodes.cached + nodes.skipped + nodes.failed
    graph = world.state._graph
    assert not graph.nodes
    assert not graph.queries
    assert graph.unsettled == 0
    for lane in scene.dispatcher._llm.values():
        assert not any(lane.ready.values())
        assert not lane.suspects
        assert not lane.unsettled
    assert not scene.dispatcher._tools["lookup"].ready
    for record in world.records:
        assert not (isinstance(record.outcome, Failed) and record.outcome.failure.code == "cancelled")
    assert None not in world.answers


def expected_outputs(mechanisms: Mechanisms, values: list[int]):
    scene = Scene(mechanisms, values)
    scene.finish()
    assert_whole(scene)
    return [scene.latest[i].outputs for i in range(len(values))]


ORDERS = (
    PauseRun(),
    ContinueRun(),
    RequeueFailed(),
    RestartWorker(worker=WorkerId("w0")),
    RestartWorker(worker=WorkerId("w1")),
    LimitCalls(kind="lookup", calls=1),
    LimitCalls(kind="lookup", calls=5),
    LimitSequences(worker=WorkerId("w0"), sequences=1),
    LimitSequences(worker=WorkerId("w0"), sequences=None),
    LimitTotal(total_s=5.0),
)


def random_order(rng: Random, rows: int):
    if rng.random() < 0.4:
        return CancelQuery(query=f"q{rng.randrange(rows + 1)}")
    return rng.choice(ORDERS)


@settings(max_examples=250, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    mechanisms=st.sampled_from(MECHANISMS),
    fails=st.sampled_from([0.0, 0.0, 0.15]),
    kills=st.integers(0, 2),
)
def test_a_run_stays_whole_under_any_orders(seed, mechanisms, fails, kills):
    rng = Random(seed)
    values = [rng.randrange(4) for _ in range(rng.randrange(1, 8))]
    scene = Scene(mechanisms, values)
    world = scene.world
    cancelled: set[int] = set()
    # A call that crashed two workers by itself is put away.
    ends = {"cancelled", "quarantined"} if kills > 1 else {"cancelled"}
    for _ in range(4000):
        if world.finished or world.aborted:
            break
        if rng.random() < 0.15:
            order = random_order(rng, len(values))
            answer = world.order(order)
            if isinstance(order, CancelQuery) and isinstance(answer, Done):
                cancelled.update(answer.rows)
        elif not world.pending:
            world.order(ContinueRun())
        else:
            at = rng.randrange(len(world.pending))
            entry = world.pending[at]
            if kills and isinstance(entry, Dispatch) and entry.lane in WORKERS and rng.random() < 0.1:
                kills -= 1
                world.kill(entry.lane, blamed=rng.random() < 0.5)
            else:
                failure = rng.choice([HARD, SOFT]) if rng.random() < fails else None
                world.step(at, failure=failure)
    assert_whole(scene)
    for index, row in scene.latest.items():
        if row.error is not None and not fails:
            assert row.error.code in ends
        if row.error is not None and row.error.code == "cancelled":
            assert index in cancelled
        if index in cancelled:
            assert row.error is not None
    if not fails:
        whole = expected_outputs(mechanisms, values)
        for index, row in scene.latest.items():
            ended = row.error is not None and row.error.code in ends
            assert row.outputs == (None if ended else whole[index])


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 30), mechanisms=st.sampled_from(MECHANISMS), at_once=st.booleans())
def test_a_cancelled_run_dispatches_nothing_more_and_ends_resumable(seed, mechanisms, at_once):
    rng = Random(seed)
    scene = Scene(mechanisms, [rng.randrange(4) for _ in range(6)])
    for _ in range(rng.randrange(12)):
        scene.world.step(rng.randrange(len(scene.world.pending)))
    dispatched = len(scene.world.dispatched)
    assert isinstance(scene.world.order(CancelRun(at_once=at_once)), Done)
    again = scene.world.order(CancelRun(at_once=at_once))
    assert isinstance(again, Done | Refused)  # refused when that ended the run
    while not scene.world.finished:
        scene.world.step(rng.randrange(len(scene.world.pending)))
    assert len(scene.world.dispatched) == dispatched
    assert scene.world.state.report(1.0).status == "stopped"
    assert isinstance(scene.world.order(PauseRun()), Refused)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 30), mechanisms=st.sampled_from(MECHANISMS))
def test_a_paused_run_starts_nothing_and_goes_on_where_it_was(seed, mechanisms):
    rng = Random(seed)
    values = [rng.randrange(4) for _ in range(5)]
    scene = Scene(mechanisms, values)
    world = scene.world
    for _ in range(rng.randrange(10)):
        world.step(rng.randrange(len(world.pending)))
    first = world.order(PauseRun())
    second = world.order(PauseRun())
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert (first.changed, second.changed) == (True, False)
    before = len(world.dispatched)
    while world.pending:
        world.step(rng.randrange(len(world.pending)))
    assert not world.finished
    assert len(world.dispatched) == before
    assert isinstance(world.order(ContinueRun()), Done)
    scene.finish()
    assert_whole(scene)
    assert [scene.latest[i].outputs for i in range(5)] == expected_outputs(mechanisms, values)


def test_cancelling_a_row_leaves_the_work_it_shares_to_the_others():
    scene = Scene(Mechanisms(), [0, 0, 1])
    answer = scene.world.order(CancelQuery(query="q0"))
    assert isinstance(answer, Done)
    assert not any(isinstance(entry, LetGo) for entry in scene.world.pending)
    scene.finish()
    assert_whole(scene)
    assert {i: row.status for i, row in scene.latest.items()} == {0: "failed", 1: "ok", 2: "ok"}
    assert len(scene.world.dispatched) == 12  # q1 and q2, six calls each: nothing was lost or done twice


def test_cancelling_the_last_row_of_some_work_lets_go_of_it():
    scene = Scene(Mechanisms(), [0, 0, 1])
    while not any(isinstance(e, Dispatch) and e.lane in WORKERS for e in scene.world.pending):
        scene.world.step(0)
    for name in ("q0", "#1"):
        assert isinstance(scene.world.order(CancelQuery(query=name)), Done)
    let_go = [entry.node for entry in scene.world.pending if isinstance(entry, LetGo)]
    dispatched = [entry.node for entry in scene.world.pending if isinstance(entry, Dispatch)]
    assert let_go
    assert set(let_go) < set(dispatched)
    scene.finish()
    assert_whole(scene)
    assert [scene.latest[i].status for i in range(3)] == ["failed", "failed", "ok"]


def test_a_leader_whose_row_is_cancelled_still_serves_its_followers():
    scene = Scene(Mechanisms(merge=False), [0, 0])
    while sum(isinstance(e, ev.NodeDispatched) for e in scene.world.events) < 2:
        scene.world.step(0)
    led = [e for e in scene.world.pending if isinstance(e, Dispatch)]
    assert led  # the first row's nodes lead; the second's follow
    assert isinstance(scene.world.order(CancelQuery(query="q0")), Done)
    scene.finish()
    assert_whole(scene)
    assert scene.latest[1].status == "ok"
    assert len(scene.world.dispatched) == 6


def test_work_let_go_is_led_anew_by_whoever_comes_next():
    scene = Scene(Mechanisms(), [0])
    world = scene.world
    while not any(isinstance(e, Dispatch) and e.lane in WORKERS for e in world.pending):
        world.step(0)
    assert isinstance(world.order(CancelQuery(query="q0")), Done)
    scene.queries += batch("w", [{"q": "question 0"}], first=1).queries
    world.tell(Extended(scene.plan([1]), lambda _key: None, lambda _key: False))
    scene.finish()
    assert_whole(scene)
    assert scene.latest[1].status == "ok"


def test_a_write_under_way_is_not_cut_short():
    write = tool("w", "write", inputs=["q"], policy=Policy(effects="write", retries=0))
    scene = Scene(Mechanisms(), [0], workflow("w", [write], inputs=["q"], outputs={"done": "write"}))
    assert any(isinstance(e, Dispatch) for e in scene.world.pending)
    assert isinstance(scene.world.order(CancelQuery(query="q0")), Done)
    assert not any(isinstance(e, LetGo) for e in scene.world.pending)
    scene.finish()
    assert_whole(scene)
    assert scene.latest[0].status == "failed"
    assert isinstance(scene.world.records[0].outcome, Completed)  # what it did is known, and kept


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (CancelQuery(query="nobody"), "unknown_query"),
        (CancelQuery(query="#99"), "unknown_query"),
        (RestartWorker(worker=WorkerId("w7")), "unknown_worker"),
        (LimitSequences(worker=WorkerId("w7"), sequences=1), "unknown_worker"),
        (LimitSequences(worker=WorkerId("w0"), sequences=3), "out_of_range"),
        (LimitCalls(kind="sql", calls=1), "unknown_tool"),
    ],
)
def test_an_order_that_fits_nothing_is_refused_and_changes_nothing(order, code):
    scene = Scene(Mechanisms(), [0])
    events = list(scene.world.events)
    answer = scene.world.order(order)
    assert isinstance(answer, Refused)
    assert answer.code == code
    assert answer.fix
    assert scene.world.events == events
    scene.finish()
    assert_whole(scene)
    assert scene.latest[0].status == "ok"


def test_limits_hold_from_then_on_and_can_be_lifted():
    scene = Scene(Mechanisms(coalesce=False, merge=False), list(range(12)))
    world = scene.world
    world.order(LimitCalls(kind="lookup", calls=1))
    world.order(LimitSequences(worker=WorkerId("w0"), sequences=1))
    assert isinstance(world.order(LimitTotal(total_s=7.5)), Done)
    assert world.total_s == 7.5
    rng = Random(3)
    for _ in range(60):
        if not world.pending:
            break
        world.step(rng.randrange(len(world.pending)))
        flying = Counter(e.lane for e in world.pending if isinstance(e, Dispatch))
        assert flying["w0"] <= 1
        assert flying["lookup"] <= 2  # two were out when the limit came
    world.order(LimitCalls(kind="lookup", calls=8))
    world.order(LimitSequences(worker=WorkerId("w0"), sequences=None))
    scene.finish()
    assert_whole(scene)
    changed = [(e.limit, e.value) for e in world.events if isinstance(e, ev.LimitChanged)]
    assert changed[:3] == [("tool.lookup", 1.0), ("worker.w0", 1.0), ("total_s", 7.5)]


def test_a_restart_blames_nobody_however_often_it_is_asked_for():
    scene = Scene(Mechanisms(), [0, 1])
    world = scene.world
    for _ in range(8):
        while not any(isinstance(e, Dispatch) and e.lane == "w0" for e in world.pending):
            world.step(0)
        assert isinstance(world.order(RestartWorker(worker=WorkerId("w0"))), Done)
        again = world.order(RestartWorker(worker=WorkerId("w0")))
        assert isinstance(again, Done)
        assert again.changed is False
        at = next(i for i, e in enumerate(world.pending) if isinstance(e, Restart))
        world.step(at)
    scene.finish()
    assert_whole(scene)
    assert {row.status for row in world.rows} == {"ok"}
    assert world.crashes == []


def test_failed_rows_run_again_while_the_run_goes_on():
    scene = Scene(Mechanisms(), [0, 1, 2])
    world = scene.world
    while not any(isinstance(e, Dispatch) and e.lane == "lookup" for e in world.pending):
        world.step(0)
    at = next(i for i, e in enumerate(world.pending) if isinstance(e, Dispatch) and e.lane == "lookup")
    world.step(at, failure=HARD)
    while not any(row.status == "failed" for row in world.rows):
        world.step(0)
    assert world.order(RequeueFailed()) is None
    at = next(i for i, e in enumerate(world.pending) if isinstance(e, TakeBack))
    world.step(at)
    answer = world.answers[-1]
    assert isinstance(answer, Done)
    assert len(answer.rows) == 1
    scene.finish()
    assert_whole(scene)
    assert {row.status for row in scene.latest.values()} == {"ok"}
    assert world.state.report(1.0).rows.ok == 3
    assert world.state.report(1.0).rows.failed == 0


def test_a_run_that_could_end_waits_for_the_rows_being_taken_back():
    scene = Scene(Mechanisms(), [0])
    world = scene.world
    while not world.pending or not isinstance(world.pending[0], Dispatch):
        world.step(0)
    world.order(RequeueFailed(queries=("q0",)))
    while len(world.pending) > 1:
        at = next(i for i, e in enumerate(world.pending) if not isinstance(e, TakeBack))
        world.step(at)
    assert not world.finished
    world.step(0)
    assert world.finished
    assert isinstance(world.answers[-1], Done)
