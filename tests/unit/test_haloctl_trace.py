"""Traces of made-up runs: what stands on which thread, and that nothing in flight is forgotten."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.ir import event as ev
from engine.ir.result import Failure, Usage
from haloctl.timeline import Timed
from haloctl.trace import trace_events
from haloctl.trace_tracks import Track

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=30)


@given(SPANS)
def test_spans_need_no_more_slots_than_run_at_once(spans):
    ordered = sorted(((start, start + length) for start, length in spans), key=lambda span: span[1])
    track, held = Track(2, "w0"), {}
    for start, end in ordered:
        held.setdefault(track.slot(float(start), float(end)), []).append((start, end))
    for mine in held.values():
        assert all(before[1] <= after[0] for before, after in pairwise(mine))
    most = max((sum(s <= at < e for s, e in ordered) for at, _end in ordered), default=0)
    assert len(held) == most


def dispatched(at, node, lane="w0"):
    return ev.NodeDispatched(at=at, node=node, operator="w/a", lane=lane, attempt=1)


def completed(at, node, started, **fields):
    usage = Usage(prompt_tokens=10, computed_tokens=4, reused_tokens=6, decoded_tokens=5)
    return ev.NodeCompleted(
        at=at,
        node=node,
        operator="w/a",
        lane="w0",
        members=2,
        started_s=started,
        **{"usage": usage, "waited_s": 0.1, "prefill_s": 0.2, **fields},
    )


STORY = (
    ev.RunStarted(at=0.0, run="r"),
    ev.WorkerReady(at=0.5, worker="w0", pid=7, backend="echo"),
    ev.ModelLoading(at=0.5, worker="w0", model="m"),
    ev.ModelLoaded(at=1.5, worker="w0", model="m", load_s=0.9),
    ev.EpochStarted(at=1.5, index=0),
    dispatched(2.0, 1),
    dispatched(2.0, 2),
    dispatched(2.1, 3, lane="sql"),
    ev.NodeFailed(
        at=2.6, node=3, operator="w/s", failure=Failure(code="sql_error", message="no"), final=False
    ),
    ev.TokensDecoded(at=2.5, node=1, tokens=3),
    completed(3.0, 1, 2.0),
    completed(3.5, 2, 2.0, waited_s=1.0),
    ev.NodeCoalesced(at=3.6, node=9, operator="w/a", leader=2, members=1),
    dispatched(4.0, 4),
    ev.WorkerLost(at=4.5, worker="w0", reason="SIGKILL", in_flight=1),
    ev.EpochFinished(at=4.5, index=0),
    dispatched(5.0, 5, lane="sql"),
    ev.EpochStarted(at=5.0, index=1),
)


def traced():
    return list(trace_events(Timed(0.0, event) for event in STORY))


def slices(trace, **wanted):
    found = [e for e in trace if e["ph"] == "X" and all(e[k] == v for k, v in wanted.items())]
    return [(e["ts"], e["ts"] + e["dur"], e["tid"]) for e in found]


def test_a_generation_stands_in_its_slot_with_its_parts_within():
    trace = traced()
    assert slices(trace, cat="generation") == [(2_100_000, 3_000_000, 10), (3_000_000, 3_500_000, 10)]
    assert slices(trace, name="prefill") == [(2_100_000, 2_300_000, 10), (3_000_000, 3_200_000, 10)]
    assert slices(trace, name="decode") == [(2_300_000, 3_000_000, 10), (3_200_000, 3_500_000, 10)]
    (load,) = slices(trace, cat="load")
    assert load == (600_000, 1_500_000, 1)
    assert slices(trace, cat="failed")[0][:2] == (2_100_000, 2_600_000)


def test_busy_time_is_time_with_anything_in_flight():
    trace = traced()
    worker = next(e["pid"] for e in trace if e["ph"] == "M" and e["args"].get("name") == "w0")
    assert [span[:2] for span in slices(trace, cat="busy", pid=worker)] == [
        (2_000_000, 3_500_000),
        (4_000_000, 4_500_000),
    ]


def test_what_was_in_flight_at_the_end_is_cut_off_there():
    trace = traced()
    assert [span[:2] for span in slices(trace, cat="lost")] == [(4_000_000, 4_500_000)]
    assert [span[:2] for span in slices(trace, cat="unfinished")] == [(5_000_000, 5_000_000)]
    begun = [e["id"] for e in trace if e["ph"] == "b"]
    assert begun == [e["id"] for e in trace if e["ph"] == "e"]
    assert len(begun) == 2


def test_an_arrow_leads_from_the_work_to_those_it_served():
    trace = traced()
    start, end = (next(e for e in trace if e["ph"] == phase) for phase in "sf")
    assert start["id"] == end["id"]
    (source,) = slices(trace, cat="generation", ts=3_000_000)
    assert source[0] <= start["ts"] <= source[1]
    assert slices(trace, cat="coalesced")[0][0] == end["ts"] == 3_600_000


def test_tokens_are_counted_in_the_second_they_came():
    counts = [(e["ts"], e["args"]["decoded"]) for e in traced() if e["name"] == "tokens/s"]
    assert sum(count for _ts, count in counts) == 10
    assert (2_000_000, 3) in counts
    assert (3_000_000, 7) in counts


def test_a_second_attempt_stands_after_the_first():
    again = [Timed(0.0, event) for event in STORY] + [Timed(5.0, event) for event in STORY]
    trace = list(trace_events(again))
    assert [e["ts"] for e in trace if e["name"].startswith("attempt")] == [0, 5_000_000]
    assert len(slices(trace, cat="generation")) == 4
    assert len({e["id"] for e in trace if e["ph"] == "b"}) == 4
    assert sum(e["ph"] == "M" and e["name"] == "process_name" for e in trace) == 3
