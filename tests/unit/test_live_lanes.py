"""What a lane's calls are drawn as in a run's timeline."""

import pytest

from engine.ir import event as ev
from engine.ir.ids import ModelName, NodeId, OperatorId, WorkerId
from engine.ir.result import Failure, Usage
from engine.live.fold import LiveState
from engine.live.shape import OperatorShape, RunShape
from engine.live.state import LaneLive, LiveSnapshot, WorkerLive

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
        ("left", None, FAILED, [("prefill", 2.0, 9.0)]),
        ("left", None, LOST, [("prefill", 2.0, 9.0)]),
        ("http", None, FAILED, [("tool", 2.0, 9.0)]),
    ],
)
def test_a_failed_call_is_drawn_as_prefill_and_as_decode_from_its_first_token_on(lane, token_s, end, drawn):
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


def dispatched(node, at):
    return ev.NodeDispatched(at=at, node=NodeId(node), operator=ANSWER, lane="left", attempt=1)


def test_calls_that_were_lost_are_drawn_as_waiting_for_as_long_as_others_had_the_slots():
    state = LiveState()
    state.absorb(ev.WorkerReady(at=1.0, worker=WorkerId("left"), pid=1, backend="echo", slots=2))
    for node, at in ((1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0)):
        state.absorb(dispatched(node, at))
    state.absorb(
        ev.NodeCompleted(
            at=6.0,
            node=NodeId(1),
            operator=ANSWER,
            lane="left",
            members=1,
            started_s=2.0,
            usage=Usage(prompt_tokens=5, computed_tokens=5, decoded_tokens=2),
            prefill_s=1.0,
        )
    )
    state.absorb(LOST)
    lost = [span for span in state.snapshot().spans if not span.ok]
    assert [(span.node, span.kind, span.start_s, span.end_s) for span in lost] == [
        (2, "prefill", 3.0, 9.0),
        (3, "wait", 4.0, 6.0),
        (3, "prefill", 6.0, 9.0),
        (4, "wait", 5.0, 9.0),
    ]


def test_a_call_of_a_model_that_is_not_resident_failed_while_it_waited():
    state = LiveState.of(
        LiveSnapshot(
            shape=RunShape(
                operators=(OperatorShape(id=ANSWER, workflow="w", kind="llm", model=ModelName("m")),)
            ),
            workers=(WorkerLive(id=WorkerId("left"), slots=2),),
            lanes=(LaneLive(lane="left", tool=False),),
        )
    )
    state.absorb(dispatched(1, 2.0))
    state.absorb(FAILED)
    assert [(span.kind, span.end_s) for span in state.snapshot().spans] == [("wait", 9.0)]
