"""The live state against runs in any order: it agrees with the report, and batches lose nothing."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir.event import (
    Event,
    LaneMeasured,
    LimitChanged,
    ModelLoading,
    NodeDispatched,
    NodeFailed,
    QueryFinished,
    RowsRequeued,
    RunContinued,
    RunDraining,
    RunFinished,
    RunPaused,
    RunStarted,
    WindowPlanned,
)
from engine.ir.ids import RunId
from engine.ir.result import Failure
from engine.live.coalesce import FAILURES_A_BATCH, SPANS_A_BATCH, LiveBatch, apply, difference
from engine.live.fold import LiveState
from engine.live.state import FAILURES_KEPT, MESSAGE_LENGTH, SPAN_KINDS, LiveSnapshot, QueryStatus
from engine.live.uses import use_seconds
from engine.testing.stories import Story, tell_story

STATUS = {"ok": QueryStatus.OK, "failed": QueryStatus.FAILED, "quarantined": QueryStatus.QUARANTINED}


@st.composite
def stories(draw) -> Story:
    """A run of two windows, in any order, with failures, crashes, progress and measurements."""
    return tell_story(lambda below: draw(st.integers(0, below - 1)))


@settings(max_examples=50, deadline=None)
@given(story=stories())
def test_the_live_state_agrees_with_the_report(story):
    state = story.state()
    for event in story.events:
        state.absorb(event)
    now, report = state.snapshot(), story.world.state.report(story.world.at)
    totals, nodes = now.totals, report.nodes
    assert (totals.executed, totals.coalesced, totals.cached) == (
        nodes.executed,
        nodes.coalesced,
        nodes.cached,
    )
    assert (totals.skipped, totals.failed) == (nodes.skipped, nodes.failed)
    assert totals.pairs == totals.pairs_done == nodes.logical
    assert sum(o.total for o in now.operators) == sum(o.settled for o in now.operators) == nodes.logical
    assert all(o.waiting == o.running == 0 for o in now.operators)
    assert sum(o.done for o in now.operators) == nodes.executed
    assert now.running == ()
    assert totals.running_tokens == 0
    assert (totals.prompt_logical, totals.decoded_tokens) == (
        report.tokens.prompt_logical,
        report.tokens.decoded,
    )
    assert [w.left for w in now.windows] == [0] * len(story.plans)
    assert list(now.queries) == [STATUS[r.status] for r in sorted(story.world.rows, key=lambda r: r.index)]
    assert now.steps == now.steps_total
    assert (totals.rows, totals.rows_failed) == (
        report.rows.ok + totals.rows_failed,
        totals.rows - report.rows.ok,
    )


@settings(max_examples=40, deadline=None)
@given(story=stories())
def test_every_row_stands_at_the_last_operator_that_has_a_call_in_flight_for_it(story):
    serves = {
        node.id: {plan.consolidated.queries[query].index for query, _operator in node.members}
        for plan in story.plans
        for node in plan.consolidated.nodes
    }
    state, some = story.state(), False
    for event in story.events:
        state.absorb(event)
        now = state.snapshot()
        places = [operator.id for operator in now.shape.operators]
        wanted = bytearray(len(now.queries))
        for node in now.running:
            for row in serves[node.node]:
                wanted[row] = places.index(node.operator) + 1
        assert now.under_way == bytes(wanted)
        some |= any(wanted)
    assert some
    assert not any(now.under_way)


@settings(max_examples=40, deadline=None)
@given(story=stories())
def test_lanes_are_as_busy_as_the_report_says(story):
    state = story.state()
    for event in story.events:
        state.absorb(event)
    now = state.snapshot()
    for lane in now.lanes:
        use = story.world.state.report(story.world.at).workers.get(lane.lane)
        if use is not None:
            assert abs(lane.busy_s - use.busy_s) < 1e-9
    spans: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for span in now.spans:
        assert span.end_s >= span.start_s
        spans.setdefault((span.lane, span.slot), []).append((span.start_s, span.end_s))
    for held in spans.values():
        held.sort()
        assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(held))
    for use in now.uses:
        for kind in SPAN_KINDS:
            told = sum(s.end_s - s.start_s for s in now.spans if (s.lane, s.kind) == (use.lane, kind))
            assert abs(sum(bucket[kind] for bucket in use_seconds(use)) - told) < 1e-3


@settings(max_examples=50, deadline=None)
@given(story=stories(), data=st.data())
def test_batches_of_any_chunking_give_what_raw_events_give(story, data):
    state = story.state()
    told = known = state.snapshot()
    for chunk in _chunks(story.events, data):
        for event in chunk:
            state.absorb(event)
        now = state.snapshot()
        batch_ = difference(told, now)
        told = now
        if batch_ is not None:
            known = apply(known, _over_the_wire(batch_, LiveBatch))
        assert msgspec.structs.replace(known, at=now.at) == now


@settings(max_examples=30, deadline=None)
@given(story=stories(), data=st.data())
def test_a_run_that_stops_early_leaves_nothing_running_and_finished_rows_as_they_are(story, data):
    state = story.state()
    for event in story.events[: data.draw(st.integers(1, len(story.events) - 1))]:
        state.absorb(event)
    before = state.snapshot().queries
    report = msgspec.structs.replace(story.world.state.report(story.world.at), status="stopped")
    state.absorb(RunFinished(at=story.world.at, report=report))
    now = state.snapshot()
    kept = [QueryStatus.PENDING if status == QueryStatus.RUNNING else status for status in before]
    assert list(now.queries) == kept
    assert all(operator.running == 0 for operator in now.operators)


def test_what_a_viewer_was_not_told_is_counted():
    state = LiveState()
    before = state.snapshot()
    for node in range(SPANS_A_BATCH + 100):
        at = node / 100
        state.absorb(NodeDispatched(at=at, node=node, operator="w/a", lane="sql", attempt=1))
        failure = Failure(code="sql_error", message="no " * 1000)
        state.absorb(NodeFailed(at=at + 0.01, node=node, operator="w/a", failure=failure, final=True))
    now = state.snapshot()
    known = apply(before, difference(before, now))
    assert (len(known.spans), known.spans_dropped) == (SPANS_A_BATCH, 100)
    assert known.spans == now.spans[100:]
    assert known.failures == now.failures[-FAILURES_A_BATCH:]
    assert known.failures_dropped == SPANS_A_BATCH + 100 - FAILURES_A_BATCH
    assert (len(now.failures), len(now.failures[0].message)) == (FAILURES_KEPT, MESSAGE_LENGTH)
    assert difference(now, state.snapshot()) is None


def test_a_new_attempt_starts_afresh_but_for_finished_rows():
    state = LiveState()
    for event in (
        RunStarted(at=0.0, run=RunId("r")),
        NodeDispatched(at=1.0, node=1, operator="w/a", lane="sql", attempt=1),
        QueryFinished(at=2.0, query=3, id="x", status="failed"),
    ):
        state.absorb(event)
    before = state.snapshot()
    state.absorb(RunStarted(at=0.0, run=RunId("r"), resumed=True))
    now = state.snapshot()
    assert (now.attempt, now.at, now.running) == (2, 0.0, ())
    assert list(now.queries) == [0, 0, 0, QueryStatus.FAILED]
    assert (now.totals.rows, now.totals.rows_before, now.totals.rows_before_failed) == (0, 1, 1)
    assert apply(before, difference(before, now)) == now
    resumed = LiveState()
    resumed.take_over([(3, "failed")])
    resumed.absorb(RunStarted(at=0.0, run=RunId("r"), resumed=True))
    assert resumed.snapshot().totals == now.totals


@settings(max_examples=50, deadline=None)
@given(story=stories(), data=st.data())
def test_a_state_taken_up_from_a_snapshot_goes_on_as_if_nothing_happened(story, data):
    state, taken_up = story.state(), story.state()
    for chunk in _chunks(story.events, data):
        for event in chunk:
            state.absorb(event)
            taken_up.absorb(event)
        assert taken_up.snapshot() == state.snapshot()
        taken_up = LiveState.of(_over_the_wire(taken_up.snapshot(), LiveSnapshot), story.known())
    assert taken_up.snapshot() == state.snapshot()


@settings(max_examples=30, deadline=None)
@given(story=stories())
def test_without_plans_a_state_still_counts(story):
    state = LiveState()
    for event in story.events:
        state.absorb(event)
    now = state.snapshot()
    assert now.totals.pairs_done == now.totals.pairs
    assert sum(operator.settled for operator in now.operators) == now.totals.pairs
    assert now.running == ()


def _over_the_wire(value, type_):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=type_)


def _chunks(events: list[Event], data) -> list[list[Event]]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=6)))
    return [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


def test_queues_are_sampled_and_add_up():
    state = LiveState()
    for lane, ready in (("w0", {"w/a": 3, "w/b": 1}), ("w1", {"w/a": 2}), ("w0", {"w/b": 4})):
        event = LaneMeasured(at=1.0, lane=lane, queued=4, in_flight=0, limit=6, ready=ready)
        state.absorb(event)
    ready = {operator.id: operator.ready for operator in state.snapshot().operators}
    assert ready == {"w/a": 2, "w/b": 4}
    assert state.snapshot().series.queued == (0, 8)


def test_orders_given_to_the_run_show():
    state = LiveState()
    state.absorb(WindowPlanned(at=0.0, queries=3, nodes=3, logical_nodes=3, estimate_s=1.0, planner="p"))
    for query, status in enumerate(("ok", "failed", "quarantined")):
        state.absorb(QueryFinished(at=1.0, query=query, id="x", status=status))
    state.absorb(RunPaused(at=2.0))
    state.absorb(ModelLoading(at=2.0, worker="w0", model="m"))
    assert (state.snapshot().totals.paused, state.snapshot().totals.doing) == (True, "paused")
    state.absorb(RunContinued(at=3.0))
    state.absorb(RowsRequeued(at=3.0, rows=(1, 2), quarantined=1))
    state.absorb(LimitChanged(at=3.0, limit="tool.sql", value=2))
    state.absorb(LimitChanged(at=3.0, limit="total_s", value=9.0))
    now = state.snapshot()
    assert (now.totals.rows, now.totals.rows_failed, now.totals.rows_total) == (1, 0, 1)
    assert list(now.queries) == [QueryStatus.OK, QueryStatus.PENDING, QueryStatus.PENDING]
    assert (now.totals.total_s, now.lanes[0].limit) == (9.0, 2)
    state.absorb(RunDraining(at=4.0))
    assert (state.snapshot().totals.draining, state.snapshot().totals.doing) == (True, "stopping")
