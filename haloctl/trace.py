"""A run's timeline in the Chrome trace format, which Perfetto and chrome://tracing show.

Made event by event: what is kept is what is in flight, and some of the latest results, for the arrows to
those who took them over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.ir import event as ev
from engine.ir.ids import NodeId
from haloctl.timeline import Timed
from haloctl.trace_tracks import (
    BUSY_TID,
    LOAD_TID,
    RUN_PID,
    TraceEvent,
    Track,
    counter,
    instant,
    microseconds,
    named,
    slice_of,
)

RESULTS_KEPT = 20_000
COALESCED_TID = 2


@dataclass(frozen=True, slots=True)
class _Flight:
    """A node in flight; `first_token_s` and `tokens` as far as it has told."""

    lane: str
    operator: str
    since_s: float
    attempt: int
    first_token_s: float | None = None
    tokens: int = 0


def trace_events(timeline: Iterable[Timed]) -> Iterator[TraceEvent]:
    """All events of the trace, in no particular order of time, as the format allows."""
    trace = Trace()
    yield named("process_name", RUN_PID, 0, "run")
    yield named("thread_name", RUN_PID, COALESCED_TID, "coalesced")
    for timed in timeline:
        yield from trace.absorb(timed)
    yield from trace.close()


class Trace:
    """What is in flight, on which track."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}
        self._flights: dict[NodeId, _Flight] = {}
        self._loading: dict[str, float] = {}
        self._results: OrderedDict[NodeId, tuple[int, int, int]] = OrderedDict()
        self._epochs: dict[int, int] = {}
        self._attempt = 0
        self._now_s = 0.0
        self._base_s = 0.0
        self._second = 0
        self._tokens = {"decoded": 0, "computed": 0, "reused": 0}

    def absorb(self, timed: Timed) -> Iterator[TraceEvent]:
        """What the next event adds to the trace."""
        if isinstance(timed.event, ev.RunStarted):
            yield from self.close()
            self._attempt += 1
            self._results.clear()
            resumed = {"resumed": timed.event.resumed}
            yield instant(RUN_PID, f"attempt {self._attempt}", timed.at_s, resumed)
        self._base_s, self._now_s = timed.base_s, timed.at_s
        yield from self._pass_seconds(int(self._now_s))
        handler = _HANDLERS.get(type(timed.event))
        if handler is not None:
            yield from handler(self, timed.event)

    def close(self) -> Iterator[TraceEvent]:
        """What was in flight when the events ended: cut off there."""
        for node in tuple(self._flights):
            yield from self._cut(node, "unfinished")
        for index, id_ in tuple(self._epochs.items()):
            yield self._epoch("e", index, id_)
        self._epochs.clear()
        if any(self._tokens.values()):
            yield from self._pass_seconds(self._second + 1)

    # --- nodes --------------------------------------------------------------------------------------

    def _on_dispatched(self, event: ev.NodeDispatched) -> Iterator[TraceEvent]:
        yield from self._open(event.lane)
        track = self._tracks[event.lane]
        track.in_flight += 1
        if track.busy_since_s is None:
            track.busy_since_s = self._now_s
        self._flights[event.node] = _Flight(event.lane, event.operator, self._now_s, event.attempt)

    def _on_tokens(self, event: ev.TokensDecoded) -> Iterator[TraceEvent]:
        flight = self._flights.get(event.node)
        if flight is not None:
            self._tokens["decoded"] += event.tokens - flight.tokens
            first = self._now_s if flight.first_token_s is None else flight.first_token_s
            self._flights[event.node] = replace(flight, first_token_s=first, tokens=event.tokens)
        yield from ()

    def _on_completed(self, event: ev.NodeCompleted) -> Iterator[TraceEvent]:
        flight = self._flights.pop(event.node, None)
        if flight is None:
            return  # from a cache, or an earlier attempt
        begun_s = max(self._base_s + event.started_s + event.waited_s, flight.since_s)
        facts: TraceEvent = {"node": event.node, "serves": event.members, "attempt": flight.attempt}
        if event.usage is None:
            yield from self._span(flight, event.node, begun_s, "tool", facts)
        else:
            self._tokens["decoded"] += event.usage.decoded_tokens - flight.tokens
            self._tokens["computed"] += event.usage.computed_tokens
            self._tokens["reused"] += event.usage.reused_tokens
            facts |= {
                "waited_ms": round((begun_s - flight.since_s) * 1000, 3),
                "computed_tokens": event.usage.computed_tokens,
                "reused_tokens": event.usage.reused_tokens,
                "decoded_tokens": event.usage.decoded_tokens,
            }
            first_token_s = begun_s + event.prefill_s if event.prefill_s else flight.first_token_s
            yield from self._span(flight, event.node, begun_s, "generation", facts, first_token_s)

    def _on_failed(self, event: ev.NodeFailed) -> Iterator[TraceEvent]:
        flight = self._flights.pop(event.node, None)
        if flight is not None:
            failure = {"node": event.node, "error": event.failure.code, "final": event.final}
            yield from self._span(flight, event.node, flight.since_s, "failed", failure)

    def _cut(self, node: NodeId, why: str) -> Iterator[TraceEvent]:
        flight = self._flights.pop(node)
        yield from self._span(flight, node, flight.since_s, why, {"node": node, why: True})

    def _span(
        self,
        flight: _Flight,
        node: NodeId,
        begun_s: float,
        category: str,
        facts: TraceEvent,
        first_token_s: float | None = None,
    ) -> Iterator[TraceEvent]:
        """A node's time in its slot, the parts of a generation within it, and the end of the lane's work."""
        track, now_s = self._tracks[flight.lane], self._now_s
        begun_s = min(begun_s, now_s)
        tid = track.slot(begun_s, now_s)
        yield from track.names(tid)
        yield slice_of(track.pid, tid, flight.operator, begun_s, now_s, category, facts)
        if first_token_s is not None:
            first_token_s = min(max(first_token_s, begun_s), now_s)
            yield slice_of(track.pid, tid, "prefill", begun_s, first_token_s, "prefill", {})
            yield slice_of(track.pid, tid, "decode", first_token_s, now_s, "decode", {})
        self._results[node] = track.pid, tid, max(microseconds(begun_s), microseconds(now_s) - 1)
        if len(self._results) > RESULTS_KEPT:
            self._results.popitem(last=False)
        track.in_flight -= 1
        if not track.in_flight and track.busy_since_s is not None:
            since_s, track.busy_since_s = track.busy_since_s, None
            yield from track.names(BUSY_TID)
            yield slice_of(track.pid, BUSY_TID, "in flight", since_s, now_s, "busy", {})

    def _on_coalesced(self, event: ev.NodeCoalesced) -> Iterator[TraceEvent]:
        facts = {"node": event.node, "leader": event.leader, "serves": event.members}
        at_s, name = self._now_s, event.operator
        yield slice_of(RUN_PID, COALESCED_TID, name, at_s, at_s, "coalesced", facts)
        source = self._results.get(event.leader)
        if source is not None:
            pid, tid, ts = source
            arrow = {"name": "same work", "cat": "coalesced", "id": f"{self._attempt}.{event.node}"}
            yield {**arrow, "ph": "s", "pid": pid, "tid": tid, "ts": ts}
            end = {"pid": RUN_PID, "tid": COALESCED_TID, "ts": microseconds(at_s)}
            yield {**arrow, **end, "ph": "f", "bp": "e"}

    # --- workers ------------------------------------------------------------------------------------

    def _on_worker_ready(self, event: ev.WorkerReady) -> Iterator[TraceEvent]:
        yield from self._open(event.worker)
        facts = {"process": event.pid, "backend": event.backend}
        yield instant(self._tracks[event.worker].pid, "ready", self._now_s, facts)

    def _on_worker_lost(self, event: ev.WorkerLost) -> Iterator[TraceEvent]:
        yield from self._open(event.worker)
        for node, flight in tuple(self._flights.items()):
            if flight.lane == event.worker:
                yield from self._cut(node, "lost")
        pid = self._tracks[event.worker].pid
        yield instant(pid, "lost", self._now_s, {"reason": event.reason, "in_flight": event.in_flight})

    def _on_loading(self, event: ev.ModelLoading) -> Iterator[TraceEvent]:
        self._loading[event.worker] = self._now_s
        yield from self._open(event.worker)

    def _on_loaded(self, event: ev.ModelLoaded) -> Iterator[TraceEvent]:
        yield from self._open(event.worker)
        track = self._tracks[event.worker]
        asked_s = self._loading.pop(event.worker, 0.0)
        yield from track.names(LOAD_TID)
        start_s = max(self._base_s, asked_s, self._now_s - event.load_s)
        yield slice_of(
            track.pid, LOAD_TID, event.model, start_s, self._now_s, "load", {"load_s": event.load_s}
        )

    def _on_lane(self, event: ev.LaneMeasured) -> Iterator[TraceEvent]:
        yield from self._open(event.lane)
        values = {"queued": event.queued, "in flight": event.in_flight}
        yield counter(self._tracks[event.lane].pid, "queue", self._now_s, values)

    def _open(self, lane: str) -> Iterator[TraceEvent]:
        """The lane's process, named when it is first heard of."""
        if lane not in self._tracks:
            pid = RUN_PID + 1 + len(self._tracks)
            self._tracks[lane] = Track(pid, lane)
            yield named("process_name", pid, 0, lane)

    # --- the run ------------------------------------------------------------------------------------

    def _on_window(self, event: ev.WindowPlanned) -> Iterator[TraceEvent]:
        facts = {"queries": event.queries, "nodes": event.nodes, "calls": event.logical_nodes}
        yield instant(RUN_PID, "window planned", self._now_s, facts | {"estimate_s": event.estimate_s})

    def _on_epoch_started(self, event: ev.EpochStarted) -> Iterator[TraceEvent]:
        id_ = self._epochs[event.index] = self._attempt * 1_000_000 + event.index
        yield self._epoch("b", event.index, id_)

    def _on_epoch_finished(self, event: ev.EpochFinished) -> Iterator[TraceEvent]:
        id_ = self._epochs.pop(event.index, None)
        if id_ is not None:
            yield self._epoch("e", event.index, id_)

    def _epoch(self, phase: str, index: int, id_: int) -> TraceEvent:
        """Epochs overlap, so they are events of their own kind, paired by their id."""
        place = {"pid": RUN_PID, "tid": 0, "ts": microseconds(self._now_s)}
        return {"ph": phase, "cat": "epoch", "name": f"epoch {index}", "id": id_, **place}

    def _on_finished(self, event: ev.RunFinished) -> Iterator[TraceEvent]:
        facts = {"status": event.report.status, "rows_ok": event.report.rows.ok}
        yield instant(RUN_PID, "finished", self._now_s, facts)

    def _pass_seconds(self, second: int) -> Iterator[TraceEvent]:
        """Say how many tokens the last second had, and none for those without a word."""
        if second <= self._second:
            return
        yield counter(RUN_PID, "tokens/s", self._second, self._tokens)
        self._tokens = dict.fromkeys(self._tokens, 0)
        if second > self._second + 1:
            yield counter(RUN_PID, "tokens/s", self._second + 1, self._tokens)
        self._second = second


_HANDLERS: dict[type, Callable[[Trace, Any], Iterator[TraceEvent]]] = {
    ev.NodeDispatched: Trace._on_dispatched,
    ev.TokensDecoded: Trace._on_tokens,
    ev.NodeCompleted: Trace._on_completed,
    ev.NodeFailed: Trace._on_failed,
    ev.NodeCoalesced: Trace._on_coalesced,
    ev.WorkerReady: Trace._on_worker_ready,
    ev.WorkerLost: Trace._on_worker_lost,
    ev.ModelLoading: Trace._on_loading,
    ev.ModelLoaded: Trace._on_loaded,
    ev.LaneMeasured: Trace._on_lane,
    ev.WindowPlanned: Trace._on_window,
    ev.EpochStarted: Trace._on_epoch_started,
    ev.EpochFinished: Trace._on_epoch_finished,
    ev.RunFinished: Trace._on_finished,
}
