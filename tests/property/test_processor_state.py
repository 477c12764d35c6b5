"""Any order of completions, failures and crashes ends a run, with each node's inputs before it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvariantBroken
from engine.ir.batch import Batch
from engine.ir.event import NodeDispatched
from engine.ir.ids import NodeId
from engine.ir.logical import Policy
from engine.ir.options import NAIVE, Mechanisms
from engine.ir.result import Completed, Failed, Failure, NodeCounts
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.nodes import NodeState, Status, Window
from engine.processor.protocol import Extended, InputExhausted
from engine.testing.plans import batch, flat_profiles, tool, workflow
from engine.testing.stories import PLAN, WORKERS, fresh_world, give, plans_of
from engine.testing.world import World


def world_for(mechanisms: Mechanisms, batches: list[Batch]) -> World:
    world = fresh_world(mechanisms)
    give(world, plans_of(batches, mechanisms))
    return world


def rows_of(values: list[int], first: int = 0) -> Batch:
    return batch("w", [{"q": f"question {v}"} for v in values], first=first)


VALUES = st.lists(st.integers(0, 3), min_size=1, max_size=6)
MECHANISMS = st.sampled_from(
    [
        Mechanisms(),
        NAIVE,
        Mechanisms(coalesce=False),
        Mechanisms(merge=False),
        Mechanisms(overlap_tools=False),
        Mechanisms(prefix_order=False),
    ]
)


def assert_inputs_before(world: World) -> None:
    """A node is dispatched only after the journal holds all it reads."""
    settled: set[NodeId] = set()
    for event in world.events:
        if isinstance(event, NodeDispatched):
            assert event.node not in settled
        node = getattr(event, "node", None)
        if node is not None and type(event).__name__ in {"NodeCompleted", "NodeCoalesced"}:
            settled.add(node)


@settings(max_examples=60, deadline=None)
@given(values=VALUES, more=VALUES, mechanisms=MECHANISMS, data=st.data())
def test_any_order_of_completions_gives_one_right_row_per_query(values, more, mechanisms, data):
    world = world_for(mechanisms, [rows_of(values), rows_of(more, first=len(values))])
    while world.pending:
        world.step(data.draw(st.integers(0, len(world.pending) - 1)))
    assert world.finished
    assert world.aborted is None
    assert sorted(row.index for row in world.rows) == list(range(len(values) + len(more)))
    assert all(row.status == "ok" for row in world.rows)
    assert len(set(world.dispatched)) == len(world.dispatched)
    assert_inputs_before(world)
    by_value = {}
    for row in world.rows:
        value = (values + more)[row.index]
        assert by_value.setdefault(value, row.outputs) == row.outputs
    report = world.state.report(1.0)
    nodes = report.nodes
    assert nodes.logical == 6 * (len(values) + len(more))
    assert nodes.logical == nodes.executed + nodes.coalesced + nodes.cached + nodes.skipped + nodes.failed


@settings(max_examples=60, deadline=None)
@given(values=VALUES, data=st.data())
def test_failures_and_crashes_settle_every_row(values, data):
    world = world_for(Mechanisms(), [rows_of(values)])
    kills = 0
    while world.pending and not world.aborted:
        action = data.draw(st.sampled_from(["ok", "ok", "ok", "fail", "retry", "kill", "crash"]))
        choice = data.draw(st.integers(0, 20))
        if action in {"kill", "crash"} and kills < 3:
            kills += 1
            world.kill(data.draw(st.sampled_from(WORKERS)), blamed=action == "crash")
        elif action == "fail":
            world.step(choice, failure=Failure(code="generation_failed", message="no"))
        elif action == "retry":
            world.step(choice, failure=Failure(code="http_status", message="503", retryable=True))
        else:
            world.step(choice)
    assert world.finished
    assert sorted(row.index for row in world.rows) == list(range(len(values)))
    for row in world.rows:
        assert (row.status == "ok") == (row.error is None) == (row.outputs is not None)
    keys = [record.key for record in world.records]
    assert len(set(keys)) == len(keys)


def test_a_node_that_crashes_its_worker_alone_twice_is_quarantined_and_others_finish():
    world = world_for(Mechanisms(), [rows_of([0, 1, 2])])

    def poison(entry) -> bool:
        work = getattr(entry, "work", None)
        request = getattr(work, "request", None)
        return request is not None and "question 1" in request.messages[-1].content

    for _ in range(400):
        if not world.pending:
            break
        bad = next((e for e in world.pending if poison(e)), None)
        if bad is not None:
            world.kill(bad.lane, blamed=True)
        else:
            world.step(0)
    assert world.finished
    statuses = {row.id: row.status for row in world.rows}
    assert statuses == {"q0": "ok", "q1": "quarantined", "q2": "ok"}
    error = next(row.error for row in world.rows if row.id == "q1")
    assert error is not None
    assert error.code == "quarantined"
    assert error.attempts <= 3


def test_committed_work_is_taken_over_and_not_dispatched_again():
    first = world_for(Mechanisms(), [rows_of([0, 1])])
    while first.pending:
        first.step(0)
    known = {r.key: r.outcome for r in first.records if isinstance(r.outcome, Completed)}
    [plan] = plans_of([rows_of([0, 1])], Mechanisms())
    world = fresh_world()
    world.tell(Extended(plan, known.get, lambda _key: False))
    world.tell(InputExhausted())
    assert world.dispatched == []
    assert world.finished
    assert [row.outputs for row in world.rows] == [
        row.outputs for row in sorted(first.rows, key=lambda r: r.index)
    ]
    assert world.state.report(1.0).nodes == NodeCounts()


def test_a_write_in_doubt_is_not_repeated():
    plan = workflow(
        "w",
        [tool("w", "write", inputs=["q"], policy=Policy(effects="write", retries=0))],
        inputs=["q"],
        outputs={"done": "write"},
    )
    consolidated = consolidate((plan,), batch("w", [{"q": "a"}]))
    physical = make_plan(consolidated, flat_profiles(["w0"], ["m"]), Mechanisms())
    world = fresh_world()
    world.tell(Extended(physical, lambda _key: None, lambda _key: True))
    world.tell(InputExhausted())
    assert world.dispatched == []
    assert [row.error.code for row in world.rows if row.error] == ["side_effect_in_doubt"]
    assert isinstance(world.records[0].outcome, Failed)


def test_illegal_moves_are_refused():
    consolidated = consolidate((PLAN,), rows_of([0]))
    window = Window(consolidated)
    node = NodeState(consolidated.nodes[0], consolidated.operators[0], window)
    node.move(Status.READY)
    node.move(Status.DISPATCHED)
    node.move(Status.COMPLETED)
    with pytest.raises(InvariantBroken, match="COMPLETED"):
        node.move(Status.READY)
