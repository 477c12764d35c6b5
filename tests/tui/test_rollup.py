"""Lanes before the spans that are known: late joiners and slow viewers see how time went all the same."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from engine.ir.event import NodeCompleted, NodeDispatched, RunStarted, WorkerReady
from engine.ir.ids import NodeId, OperatorId, RunId, WorkerId
from engine.ir.result import Usage
from engine.live.coalesce import apply, difference
from engine.live.fold import LiveState
from engine.live.state import SPANS_KEPT, LiveSnapshot
from haloctl.tui.projection.lanes import TimelineFeed
from haloctl.tui.timeline import KINDS, Timeline

USAGE = Usage(prompt_tokens=9, computed_tokens=9, reused_tokens=0, decoded_tokens=9)
CALLS = 4000
"""Two slots, a quarter of the time prefill, half of it decode, then a pause in which the lane has nothing."""
PERIOD_S, CALL_S, PREFILL_S = 0.1, 0.075, 0.025


def state_after(calls: int) -> LiveState:
    """A worker that generates on two slots, period after period."""
    state = LiveState()
    state.absorb(RunStarted(at=0.0, run=RunId("r")))
    state.absorb(WorkerReady(at=0.0, worker=WorkerId("w0"), pid=1, backend="echo", slots=2))
    go_on(state, 0, calls)
    return state


def go_on(state: LiveState, first: int, calls: int) -> None:
    """So many calls more, beginning with the one numbered `first`."""
    for period in range(first // 2, (first + calls) // 2):
        begun = period * PERIOD_S
        nodes = (NodeId(2 * period), NodeId(2 * period + 1))
        for node in nodes:
            state.absorb(
                NodeDispatched(at=begun, node=node, operator=OperatorId("w/a"), lane="w0", attempt=1)
            )
        for node in nodes:
            state.absorb(
                NodeCompleted(
                    at=begun + CALL_S,
                    node=node,
                    operator=OperatorId("w/a"),
                    lane="w0",
                    members=1,
                    started_s=begun,
                    usage=USAGE,
                    prefill_s=PREFILL_S,
                )
            )


@pytest.fixture(scope="module")
def late() -> LiveSnapshot:
    return state_after(CALLS).snapshot()


def shown(*states: LiveSnapshot) -> Timeline:
    feed = TimelineFeed()
    for state in states:
        feed.update(state, state.at)
    return feed.timeline


def shares(timeline: Timeline, start_s: float, end_s: float) -> tuple[str, float]:
    most, share = timeline.columns("w0", np.array([start_s, end_s]))
    return KINDS[most[0]], float(share[0])


def test_who_joins_late_sees_how_time_went_before_the_spans_that_are_kept(late):
    timeline = shown(late)
    kept_s = SPANS_KEPT / 4 * PERIOD_S
    assert late.spans_seen == 2 * CALLS > len(late.spans) == SPANS_KEPT
    for start_s, end_s in ((0.0, 20.0), (40.0, 60.0), (late.at - kept_s - 5, late.at - kept_s + 5)):
        assert timeline.utilisation("w0", start_s, end_s) == pytest.approx(0.75, abs=0.03)
        kind, share = shares(timeline, start_s, end_s)
        assert (kind, share) == ("decode", pytest.approx(0.75, abs=0.03))
    assert dict(timeline.rolled("w0", 10.0, 20.0)) == {
        "decode": pytest.approx(0.5, abs=0.03),
        "prefill": pytest.approx(0.25, abs=0.03),
    }
    assert timeline.rolled("w0", late.at - 10, late.at) == ()
    assert timeline.at("w0", 10.0, 20.0) == ()


def test_what_is_drawn_is_the_same_for_who_was_there_from_the_beginning(late):
    whole = TimelineFeed()
    state = LiveState()
    state.absorb(RunStarted(at=0.0, run=RunId("r")))
    state.absorb(WorkerReady(at=0.0, worker=WorkerId("w0"), pid=1, backend="echo", slots=2))
    for first in range(0, CALLS, 1000):
        go_on(state, first, 1000)
        whole.update(state.snapshot(), state.tally.at)
    joined = shown(late)
    for start_s in range(0, int(late.at) - 10, 10):
        there = whole.timeline.utilisation("w0", start_s, start_s + 10)
        assert joined.utilisation("w0", start_s, start_s + 10) == pytest.approx(there, abs=0.03)


def test_spans_a_slow_viewer_was_not_told_of_leave_no_hole_and_none_is_counted_twice():
    state = state_after(200)
    first = state.snapshot()
    go_on(state, 200, 2000)
    told = apply(first, difference(first, state.snapshot()))
    assert told.spans_dropped > 0
    timeline = shown(first, told)
    assert timeline.utilisation("w0", 0.0, told.at) == pytest.approx(0.75, abs=0.03)
    assert timeline.utilisation("w0", 20.0, 60.0) == pytest.approx(0.75, abs=0.03)
    seen = timeline.at("w0", 0.0, told.at)
    assert len(seen) == 2 * (200 + 2000) - told.spans_dropped
    assert len({(each.start_s, each.kind) for each in seen}) * 2 == len(seen)


def test_a_lane_without_calls_is_drawn_by_its_loads(late):
    only = replace(late, lanes=tuple(replace(lane, busy_s=0.0) for lane in late.lanes))
    assert shown(only).utilisation("w0", 0.0, 20.0) == pytest.approx(1.0, abs=0.01)
