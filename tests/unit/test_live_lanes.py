"""What a lane's calls are drawn as in a run's timeline."""

import pytest

from engine.ir import event as ev
from engine.ir.ids import NodeId, OperatorId, WorkerId
from engine.ir.result import Failure
from engine.live.fold import LiveState

ANSWER = OperatorId("w/answer")
FAILED = ev.NodeFailed(
    at=9.0,
    node=NodeId(1),
    operator=ANSWER,
    failure=Failure(code="schema_violation", message="cut off", operator=ANSWER),
    final=False,
)
LOST = ev.WorkerLost(at=9.0, worker=WorkerId("left"), reason="signal 9", in_flight=1)


@pytest.mark.parametrize(
    ("lane", "token_s", "end", "drawn"),
    [
        ("left", 6.0, FAILED, [("prefill", 2.0, 6.0), ("decode", 6.0, 9.0)]),
        ("left", 6.0, LOST, [("prefill", 2.0, 6.0), ("decode", 6.0, 9.0)]),
        ("left", None, LOST, [("wait", 2.0, 9.0)]),
        ("http", None, FAILED, [("tool", 2.0, 9.0)]),
    ],
)
def test_a_failed_call_is_drawn_as_decode_from_its_first_token_on(lane, token_s, end, drawn):
    state = LiveState()
    state.absorb(ev.WorkerReady(at=1.0, worker=WorkerId("left"), pid=1, backend="echo"))
    state.absorb(ev.NodeDispatched(at=2.0, node=NodeId(1), operator=ANSWER, lane=lane, attempt=1))
    if token_s is not None:
        state.absorb(ev.TokensDecoded(at=token_s, node=NodeId(1), tokens=4))
    state.absorb(end)
    spans = state.snapshot().spans
    assert [(span.kind, span.start_s, span.end_s) for span in spans] == drawn
    assert not any(span.ok for span in spans)


def test_a_worker_whose_queue_was_measured_before_it_was_ready_is_no_kind_of_tool():
    state = LiveState()
    state.absorb(ev.LaneMeasured(at=0.5, lane="left", queued=3, in_flight=0, limit=4, ready={ANSWER: 3}))
    state.absorb(ev.WorkerReady(at=1.0, worker=WorkerId("left"), pid=1, backend="echo"))
    state.absorb(ev.NodeDispatched(at=2.0, node=NodeId(1), operator=ANSWER, lane="left", attempt=1))
    state.absorb(LOST)
    [lane] = state.snapshot().lanes
    assert (lane.tool, lane.queued) == (False, 3)
    [span] = state.snapshot().spans
    assert span.kind != "tool"
