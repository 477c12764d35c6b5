"""When patience with a worker ends: run deadlines, heartbeats, loads."""

from __future__ import annotations

from engine.ir.ids import ModelName, NodeId, RequestId
from engine.ir.request import BackendStatistics, GenerateRequest
from engine.processor.attempts import (
    CANCEL_GRACE_S,
    LOAD_DEADLINE_S,
    PREPARE_DEADLINE_S,
    Attempt,
    Held,
)
from engine.wire.messages import Statistics

M = ModelName("m")


def held(slots: int = 2) -> Held:
    return Held(heartbeat_s=10.0, progress_at=0.0, slots={M: slots})


def begin(view: Held, number: int, *, timeout_s: float | None = None, now: float = 0.0) -> None:
    request = GenerateRequest(id=RequestId(number), messages=(), max_tokens=1)
    view.begin(request.id, Attempt(NodeId(number), request, M, 1, timeout_s), now)


def beat(steps: int = 0, loading: str | None = None, *, preparing: bool = False, **counters) -> Statistics:
    models = {M: BackendStatistics(steps=steps, **counters)}
    return Statistics(
        at_s=0.0,
        resident_bytes=0,
        models=models,
        loading=ModelName(loading) if loading else None,
        preparing=preparing,
    )


def expired(view: Held, now: float) -> list[int]:
    return [request for request, _attempt in view.newly_expired(now)]


def test_the_run_deadline_starts_with_the_first_token_of_a_request_that_queued():
    view = held(slots=1)
    begin(view, 1, timeout_s=5.0)
    begin(view, 2, timeout_s=5.0)
    assert expired(view, 100.0) == []
    assert view.note_token(RequestId(1), 100.0) == 1
    assert expired(view, 104.9) == []
    assert expired(view, 105.0) == [1]
    assert expired(view, 106.0) == []


def test_a_request_that_cannot_be_queued_any_more_has_its_deadline_before_its_first_token():
    view = held(slots=2)
    begin(view, 1, timeout_s=5.0)
    assert expired(view, 10.0) == []
    assert expired(view, 15.0) == [1]


def test_a_worker_that_keeps_a_cancelled_request_is_hopeless():
    view = held()
    begin(view, 1, timeout_s=1.0)
    view.note_token(RequestId(1), 0.0)
    assert expired(view, 1.0) == [1]
    assert view.hopeless(1.0 + CANCEL_GRACE_S) is None
    assert "let go" in (view.hopeless(1.1 + CANCEL_GRACE_S) or "")


def test_no_progress_with_work_in_flight_is_a_hang_and_idleness_is_not():
    view = held()
    assert view.hopeless(1000.0) is None
    begin(view, 1, now=1000.0)
    assert view.hopeless(1010.0) is None
    assert "no progress" in (view.hopeless(1010.1) or "")
    view.absorb(beat(steps=1), 1010.0)
    view.absorb(beat(steps=1), 1019.0)
    assert view.hopeless(1020.0) is None
    assert view.hopeless(1020.1) is not None


def test_a_load_that_waits_behind_a_hung_step_does_not_hide_it():
    view = held()
    begin(view, 1)
    view.load(1.0)
    view.absorb(beat(), 5.0)
    assert view.hopeless(12.0) is not None


def test_a_load_has_a_deadline_of_its_own_and_is_forgotten_when_a_late_beat_names_it():
    view = held()
    view.load(0.0)
    view.absorb(beat(loading="m"), 1.0)
    view.absorb(beat(loading="m"), 300.0)
    assert view.hopeless(LOAD_DEADLINE_S) is None
    assert view.hopeless(LOAD_DEADLINE_S + 1.1) is not None
    view.absorb(beat(), 301.0)
    view.load_asked = False
    assert view.hopeless(10_000.0) is None


def test_compiling_before_a_first_load_is_neither_a_slow_load_nor_a_hang():
    view = held()
    view.load(0.0)
    view.absorb(beat(loading="m", preparing=True), 1.0)
    view.absorb(beat(loading="m", preparing=True), LOAD_DEADLINE_S + 700.0)
    assert view.hopeless(LOAD_DEADLINE_S + 700.0) is None
    begun = LOAD_DEADLINE_S + 800.0
    view.absorb(beat(loading="m"), begun)
    assert view.hopeless(begun + LOAD_DEADLINE_S) is None
    assert "did not load" in (view.hopeless(begun + LOAD_DEADLINE_S + 0.1) or "")


def test_compiling_ends_somewhere_too():
    view = held()
    view.load(0.0)
    view.absorb(beat(loading="m", preparing=True), 1.0)
    assert view.hopeless(PREPARE_DEADLINE_S) is None
    assert "not compiled" in (view.hopeless(PREPARE_DEADLINE_S + 1.1) or "")


def test_waiting_for_the_run_itself_is_not_the_workers_hang():
    view = held()
    begin(view, 1)
    view.handing_over = True
    assert view.hopeless(100.0) is None


def test_counters_of_a_model_loaded_anew_begin_at_zero():
    view = held()
    assert view.absorb(beat(steps=10, prefill_s=3.0, evicted_tokens=5), 1.0).prefill_s == 3.0
    again = view.absorb(beat(steps=2, prefill_s=0.5, evicted_tokens=1), 2.0)
    assert (again.steps, again.prefill_s, again.evicted_tokens) == (2, 0.5, 1)
