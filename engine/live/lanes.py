"""Lanes as the live state keeps them: what is in flight where, and the spans of what was."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

from engine.ir import event as ev
from engine.ir.ids import NodeId, QueryIndex
from engine.live.drafts import LaneDraft, RunningDraft
from engine.live.state import SPANS_KEPT, LaneLive, LaneUse, RunningNode, Span, SpanKind
from engine.live.uses import UseMeter

LOAD_SLOT = -1
SHORTEST_WAIT_S = 0.001
"""Shorter waits before work begins are no span of their own."""
Begun: TypeAlias = Mapping[NodeId, float | None]
"""Calls without a token: since when they have a slot; None, or not named, where they have none."""
NOBODY: Final[Begun] = {}
_NewSpan: TypeAlias = tuple[str, int, SpanKind, float, float, str, NodeId | None, bool]
"""A span's fields in order, of which a `Span` is made only when somebody looks."""


class Slots:
    """Numbers of a lane's slots: the lowest that is free is taken."""

    def __init__(self, taken: Iterable[int] = ()) -> None:
        used = set(taken)
        self._next = max(used, default=-1) + 1
        self._free = [slot for slot in range(self._next) if slot not in used]
        heapify(self._free)

    def take(self) -> int:
        """A free slot."""
        if self._free:
            return heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, slot: int) -> None:
        """The slot is free again."""
        heappush(self._free, slot)


class Lanes:
    """Workers' lanes and tool kinds' lanes, nodes in flight, and spans."""

    def __init__(self) -> None:
        self._lanes: dict[str, LaneDraft] = {}
        self._running: dict[NodeId, RunningDraft] = {}
        self._spans: deque[Span] = deque(maxlen=SPANS_KEPT)
        self._new_spans: deque[_NewSpan] = deque(maxlen=SPANS_KEPT)
        self.spans_seen = 0
        self._slots: dict[str, Slots] = {}
        self._uses: dict[str, UseMeter] = {}

    def restore(
        self,
        lanes: Iterable[LaneLive],
        running: Iterable[RunningNode],
        spans: Iterable[Span],
        spans_seen: int,
        uses: Iterable[LaneUse],
    ) -> None:
        """Go on from an earlier moment."""
        self._lanes = {lane.lane: LaneDraft(lane) for lane in lanes}
        self._running = {node.node: RunningDraft(node) for node in running}
        self._spans.extend(spans)
        self.spans_seen = spans_seen
        self._uses = {use.lane: UseMeter(use.lane, use.width_s, use.seconds) for use in uses}
        for name in self._lanes:
            taken = (node.slot for node in self._running.values() if node.lane == name)
            self._slots[name] = Slots(taken)

    def uses(self) -> tuple[LaneUse, ...]:
        """How the lanes' time was used, of lanes that did anything."""
        return tuple(meter.value() for meter in self._uses.values())

    def values(self) -> tuple[LaneLive, ...]:
        """All lanes; one that did not change is the same object as the last time."""
        return tuple(draft.value for draft in self._lanes.values())

    def running(self) -> tuple[RunningNode, ...]:
        """Nodes in flight, by id."""
        return tuple(self._running[node].value for node in sorted(self._running))

    def spans(self) -> tuple[Span, ...]:
        """The latest spans."""
        new = self._new_spans
        while new:
            lane, slot, kind, start_s, end_s, what, node, ok = new.popleft()
            self._spans.append(
                Span(
                    lane=lane, slot=slot, kind=kind, start_s=start_s, end_s=end_s, what=what, node=node, ok=ok
                )
            )
        return tuple(self._spans)

    def get(self, name: str, *, tool: bool = True) -> LaneDraft:
        """A lane; one not heard of yet is begun, as a tool kind's until a worker of that name starts."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = LaneDraft(LaneLive(lane=name, tool=tool))
            self._slots[name] = Slots()
        elif not tool and lane.value.tool:
            lane.change(tool=False)  # its queue was measured before the worker was ready
        return lane

    # --- nodes --------------------------------------------------------------------------------------

    def dispatch(self, event: ev.NodeDispatched, query: QueryIndex | None) -> None:
        """A node goes out."""
        lane = self.get(event.lane)
        self._running[event.node] = RunningDraft(
            RunningNode(
                node=event.node,
                operator=event.operator,
                lane=event.lane,
                slot=self._slots[event.lane].take(),
                since_s=event.at,
                attempt=event.attempt,
                members=event.members,
                query=query,
            )
        )
        lane.stale = True
        lane.running += 1
        if lane.busy_since_s is None:
            lane.busy_since_s = event.at

    def decode(self, event: ev.TokensDecoded) -> None:
        """A node in flight has decoded more tokens."""
        node = self._running.get(event.node)
        if node is None:
            return
        lane = self._lanes[node.lane]
        lane.stale = True
        lane.decoded_tokens += event.tokens - node.tokens
        node.stale = True
        node.tokens = event.tokens
        if node.first_token_s is None:
            node.first_token_s = event.at

    def complete(self, event: ev.NodeCompleted) -> bool:
        """A node has its value; False for one that was not in flight."""
        node = self._running.get(event.node)
        if node is None:
            return False
        tokens = node.tokens if event.usage is None else event.usage.decoded_tokens
        self._come_back(node, event.at, done=1, decoded=tokens - node.tokens)
        if event.usage is None:
            self._work(node, "tool", event.started_s, event.at)
        else:
            self._generation(node, event)
        return True

    def awaits_token(self, node: NodeId) -> bool:
        """Whether a node is in flight, in a worker, and has no token yet."""
        running = self._running.get(node)
        return running is not None and running.first_token_s is None and not self._is_tool(running)

    def fail(self, node: NodeId, at: float, begun: Begun = NOBODY) -> bool:
        """An attempt failed; False for a node that was not in flight. `begun`: who had a slot, since when."""
        running = self._running.get(node)
        if running is None:
            return False
        self._come_back(running, at, failed=1)
        self._failure(running, at, begun.get(node))
        return True

    def empty(self, name: str, at: float, begun: Begun = NOBODY) -> list[RunningDraft]:
        """Everything in flight on a lane comes back: its worker died."""
        lost = [self._running[node] for node in sorted(self._running) if self._running[node].lane == name]
        for node in lost:
            self.fail(node.node, at, begun)
        return lost

    def empty_all(self, at: float, begun: Begun = NOBODY) -> list[RunningDraft]:
        """Everything in flight anywhere comes back: the run is over."""
        return [node for name in self._lanes for node in self.empty(name, at, begun)]

    def _come_back(
        self, node: RunningDraft, at: float, *, done: int = 0, failed: int = 0, decoded: int = 0
    ) -> None:
        del self._running[node.node]
        self._slots[node.lane].give_back(node.slot)
        lane = self._lanes[node.lane]
        lane.stale = True
        lane.running -= 1
        lane.done += done
        lane.failed += failed
        lane.decoded_tokens += decoded
        if not lane.running and lane.busy_since_s is not None:
            lane.busy_s += at - lane.busy_since_s
            lane.busy_since_s = None

    # --- spans --------------------------------------------------------------------------------------

    def load(self, lane: str, model: str, start_s: float, end_s: float) -> None:
        """A worker loaded a model."""
        self.get(lane, tool=False)
        self._new_spans.append((lane, LOAD_SLOT, "load", start_s, end_s, model, None, True))
        self.spans_seen += 1
        self._meter(lane).add("load", start_s, end_s)

    def _meter(self, lane: str) -> UseMeter:
        meter = self._uses.get(lane)
        if meter is None:
            meter = self._uses[lane] = UseMeter(lane)
        return meter

    def _generation(self, node: RunningDraft, event: ev.NodeCompleted) -> None:
        """Waiting for a slot, computing the prompt, decoding; by progress alone in older journals."""
        if event.prefill_s:
            begun = event.started_s + event.waited_s
            first_token = begun + event.prefill_s
        else:
            begun = event.started_s
            first_token = event.started_s if node.first_token_s is None else node.first_token_s
        begun = _between(node.since_s, begun, event.at)
        first_token = _between(begun, first_token, event.at)
        if begun - node.since_s >= SHORTEST_WAIT_S:
            self._span(node, "wait", node.since_s, begun)
        self._span(node, "prefill", begun, first_token)
        self._span(node, "decode", first_token, event.at)

    def _failure(self, node: RunningDraft, at: float, begun_s: float | None) -> None:
        """An attempt that failed: while it waited for a slot, in prefill, or from its first token on."""
        if self._is_tool(node):
            self._span(node, "tool", node.since_s, at, ok=False)
        elif node.first_token_s is not None:
            first_token = _between(node.since_s, node.first_token_s, at)
            self._span(node, "prefill", node.since_s, first_token, ok=False)
            self._span(node, "decode", first_token, at, ok=False)
        elif begun_s is None:
            self._span(node, "wait", node.since_s, at, ok=False)
        else:
            begun_s = _between(node.since_s, begun_s, at)
            if begun_s - node.since_s >= SHORTEST_WAIT_S:
                self._span(node, "wait", node.since_s, begun_s, ok=False)
            self._span(node, "prefill", begun_s, at, ok=False)

    def _is_tool(self, node: RunningDraft) -> bool:
        return self._lanes[node.lane].value.tool

    def _work(self, node: RunningDraft, kind: SpanKind, start_s: float, end_s: float) -> None:
        start_s = _between(node.since_s, start_s, end_s)
        if start_s - node.since_s >= SHORTEST_WAIT_S:
            self._span(node, "wait", node.since_s, start_s)
        self._span(node, kind, start_s, end_s)

    def _span(
        self, node: RunningDraft, kind: SpanKind, start_s: float, end_s: float, *, ok: bool = True
    ) -> None:
        if end_s > start_s or not ok:
            self._new_spans.append((node.lane, node.slot, kind, start_s, end_s, node.operator, node.node, ok))
            self.spans_seen += 1
            self._meter(node.lane).add(kind, start_s, end_s)


def _between(least: float, value: float, most: float) -> float:
    """The value within bounds; the upper one counts where they cross."""
    value = value if value > least else least
    return value if value < most else most
