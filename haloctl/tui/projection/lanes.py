"""The live state's spans as a Gantt chart takes them, given to it as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.ir.ids import NodeId
from engine.live.begun import begun
from engine.live.state import LiveSnapshot
from engine.live.state import Span as LiveSpan
from haloctl.tui.rollup import Rollup
from haloctl.tui.themes import SpanKind
from haloctl.tui.timeline import EpochMark, Span, Timeline


class TimelineFeed:
    """Keeps a `Timeline` up to date with one live state after another; begins anew when time goes back."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.timeline = Timeline()
        self._seen = 0
        self._dropped = 0
        self._attempt = 0
        self._at_s = 0.0
        self._marked: set[int] = set()

    def update(self, state: LiveSnapshot, now_s: float) -> bool:
        """Bring the timeline up to `state`; True when it is another object now, that has to be shown."""
        back = state.spans_seen < self._seen or state.at < self._at_s
        lanes = lane_names(state)
        disordered = self.timeline.lanes != lanes and state.spans_seen == len(state.spans)
        fresh = back or disordered or state.attempt != self._attempt
        if fresh:
            self._begin()
            self.timeline = Timeline(lanes)
        self._add(state)
        self.timeline.show_running(running_spans(state, now_s), now_s)
        for epoch in state.epochs:
            if epoch.started_s is not None and epoch.index not in self._marked:
                self._marked.add(epoch.index)
                self.timeline.mark(EpochMark(at_s=epoch.started_s, label=f"E{epoch.index}"))
        self._seen, self._at_s, self._attempt = state.spans_seen, state.at, state.attempt
        self._dropped = state.spans_dropped
        return fresh

    def _add(self, state: LiveSnapshot) -> None:
        """The spans that are new; where some of them were not told or not kept, what their time went into."""
        came = state.spans_seen - self._seen
        told = min(max(0, came - (state.spans_dropped - self._dropped)), len(state.spans))
        new = state.spans[len(state.spans) - told :]
        self.timeline.add(span(each) for each in new)
        if told < came:
            self.timeline.summed += came - told
            until_s = _known_since(new, state.at)
            lanes = {lane.lane: lane for lane in state.lanes}
            for use in state.uses:
                if use.lane in lanes:
                    self.timeline.roll(use.lane, Rollup(use, lanes[use.lane], state.at, until_s))


def lane_names(state: LiveSnapshot) -> tuple[str, ...]:
    """Workers first, then kinds of tools, by name."""
    workers = sorted(str(worker.id) for worker in state.workers)
    return (*workers, *sorted(lane.lane for lane in state.lanes if lane.lane not in workers))


def _known_since(spans: Sequence[LiveSpan], at_s: float) -> float:
    """The moment from which all spans are known, of those that ended latest: spans come as they end, the
    parts of one call together.
    """
    return max((each.end_s for each in spans[:3] if each.node == spans[0].node), default=at_s)


def span(found: LiveSpan) -> Span:
    """A finished span."""
    return Span(
        lane=found.lane,
        start_s=found.start_s,
        end_s=found.end_s,
        kind=found.kind,
        label=found.what,
        ok=found.ok,
    )


def running_spans(state: LiveSnapshot, now_s: float) -> Iterator[Span]:
    """What goes on now: loads, and nodes before their slot, up to their first token, and after it."""
    workers = {str(worker.id) for worker in state.workers}
    slots_since = _begun(state)
    for worker in state.workers:
        if worker.loading is not None:
            yield _until_now(worker.id, worker.loading_since_s, now_s, "load", worker.loading)
    for node in state.running:
        if node.lane not in workers:
            yield _until_now(node.lane, node.since_s, now_s, "tool", node.operator)
        elif node.first_token_s is None:
            begun_s = slots_since[node.node]
            if begun_s is None or begun_s > node.since_s:
                until_s = now_s if begun_s is None else begun_s
                yield _until_now(node.lane, node.since_s, until_s, "wait", node.operator)
            if begun_s is not None:
                yield _until_now(node.lane, begun_s, now_s, "prefill", node.operator)
        else:
            since, first = node.since_s, node.first_token_s
            yield Span(lane=node.lane, start_s=since, end_s=first, kind="prefill", label=node.operator)
            yield _until_now(node.lane, first, now_s, "decode", node.operator)


def waiting_for_slots(state: LiveSnapshot) -> frozenset[NodeId]:
    """Nodes in flight for which their worker has no slot yet, by number: what decodes holds one."""
    return frozenset(node for node, since_s in _begun(state).items() if since_s is None)


def _begun(state: LiveSnapshot) -> dict[NodeId, float | None]:
    return begun(state.running, state.workers, state.shape.operators, state.spans)


def _until_now(lane: str, since_s: float, now_s: float, kind: SpanKind, label: str) -> Span:
    return Span(lane=lane, start_s=since_s, end_s=max(since_s, now_s), kind=kind, label=label)
