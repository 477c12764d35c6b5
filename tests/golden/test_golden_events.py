"""Events as an earlier release wrote them can still be read, followed and traced."""

from pathlib import Path

import msgspec

from engine.ir.event import Event
from engine.live.fold import LiveState
from haloctl.timeline import Timed
from haloctl.trace import trace_events

EVENTS = msgspec.json.decode(Path(__file__).with_name("events-0.1.json").read_bytes(), type=tuple[Event, ...])


def test_old_events_give_their_live_state():
    state = LiveState()
    for event in EVENTS:
        state.absorb(event)
    now = state.snapshot()
    assert (now.totals.rows, now.totals.executed, now.totals.coalesced) == (2, 2, 2)
    assert now.report == EVENTS[-1].report
    assert [worker.status for worker in now.workers] == ["lost"]
    generation = [(span.kind, span.start_s, span.end_s) for span in now.spans if span.what == "w/a"]
    assert generation == [("prefill", 0.5, 0.7), ("decode", 0.7, 0.9)]  # by its progress


def test_old_events_give_their_trace():
    trace = list(trace_events(Timed(0.0, event) for event in EVENTS))
    told = [(e["name"], e["ts"], e["dur"]) for e in trace if e["ph"] == "X" and e["pid"] == 2]
    assert ("w/a", 500_000, 400_000) in told
    assert ("prefill", 500_000, 200_000) in told
    assert ("m", 250_000, 250_000) in told
