"""Lanes as the live state keeps them: what is in flight where, and the spans of what was."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from msgspec.structs import replace

from engine.ir import event as ev
from engine.ir.ids import NodeId, QueryIndex
from engine.live.state import SPANS_KEPT, LaneLive, LaneUse, RunningNode, Span, SpanKind
from engine.live.uses import UseMeter

LOAD_SLOT = -1
SHORTEST_WAIT_S = 0.001
"""Shorter waits before work begins are no span of their own."""


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
        self.values: dict[str, LaneLive] = {}
        self.running: dict[NodeId, RunningNode] = {}
        self.spans: deque[Span] = deque(maxlen=SPANS_KEPT)
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
        self.values = {lane.lane: lane for lane in lanes}
        self.running = {node.node: node for node in running}
        self.spans.extend(spans)
        self.spans_seen = spans_seen
        self._uses = {use.lane: UseMeter(use.lane, use.width_s, use.seconds) for use in uses}
        for name in self.values:
            taken = (node.slot for node in self.running.values() if node.lane == name)
            self._slots[name] = Slots(taken)

    def uses(self) -> tuple[LaneUse, ...]:
        """How the lanes' time was used."""
        return tuple(meter.value() for meter in self._uses.values())

    def get(self, name: str, *, tool: bool = True) -> LaneLive:
        """A lane; one not heard of yet is begun, as a tool kind's: workers are heard of when they start."""
        lane = self.values.get(name)
        if lane is None:
            lane = self.values[name] = LaneLive(lane=name, tool=tool)
            self._slots[name] = Slots()
        return lane

    # --- nodes --------------------------------------------------------------------------------------

    def dispatch(self, event: ev.NodeDispatched, query: QueryIndex | None) -> None:
        """A node goes out."""
        lane = self.get(event.lane)
        self.running[event.node] = RunningNode(
            node=event.node,
            operator=event.operator,
            lane=event.lane,
            slot=self._slots[event.lane].take(),
            since_s=event.at,
            attempt=event.attempt,
            members=event.members,
            query=query,
        )
        since = event.at if lane.busy_since_s is None else lane.busy_since_s
        self.values[event.lane] = replace(lane, running=lane.running + 1, busy_since_s=since)

    def decode(self, event: ev.TokensDecoded) -> None:
        """A node in flight has decoded more tokens."""
        node = self.running.get(event.node)
        if node is None:
            return
        first = event.at if node.first_token_s is None else node.first_token_s
        self.running[event.node] = replace(node, tokens=event.tokens, first_token_s=first)
        lane = self.values[node.lane]
        decoded = lane.decoded_tokens + event.tokens - node.tokens
        self.values[node.lane] = replace(lane, decoded_tokens=decoded)

    def complete(self, event: ev.NodeCompleted) -> RunningNode | None:
        """A node in flight has its value; None for one that was not in flight."""
        node = self.running.get(event.node)
        if node is None:
            return None
        tokens = node.tokens if event.usage is None else event.usage.decoded_tokens
        self._come_back(node, event.at, done=1, decoded=tokens - node.tokens)
        if event.usage is None:
            self._work(node, "tool", event.started_s, event.at)
        else:
            self._generation(node, event)
        return node

    def fail(self, node: NodeId, at: float) -> RunningNode | None:
        """An attempt failed; None for a node that was not in flight."""
        running = self.running.get(node)
        if running is not None:
            self._come_back(running, at, failed=1)
            kind: SpanKind = "tool" if self.values[running.lane].tool else "decode"
            self._span(running, kind, running.since_s, at, ok=False)
        return running

    def empty(self, name: str, at: float) -> list[RunningNode]:
        """Everything in flight on a lane comes back: its worker died."""
        lost = [self.running[node] for node in sorted(self.running) if self.running[node].lane == name]
        for node in lost:
            self.fail(node.node, at)
        return lost

    def _come_back(
        self, node: RunningNode, at: float, *, done: int = 0, failed: int = 0, decoded: int = 0
    ) -> None:
        del self.running[node.node]
        self._slots[node.lane].give_back(node.slot)
        lane = self.values[node.lane]
        busy_s, since = lane.busy_s, lane.busy_since_s
        if lane.running == 1 and since is not None:
            busy_s, since = busy_s + at - since, None
        self.values[node.lane] = replace(
            lane,
            running=lane.running - 1,
            done=lane.done + done,
            failed=lane.failed + failed,
            decoded_tokens=lane.decoded_tokens + decoded,
            busy_s=busy_s,
            busy_since_s=since,
        )

    # --- spans --------------------------------------------------------------------------------------

    def load(self, lane: str, model: str, start_s: float, end_s: float) -> None:
        """A worker loaded a model."""
        self.get(lane, tool=False)
        self._add(Span(lane=lane, slot=LOAD_SLOT, kind="load", start_s=start_s, end_s=end_s, what=model))

    def _generation(self, node: RunningNode, event: ev.NodeCompleted) -> None:
        """Waiting for a slot, computing the prompt, decoding; by progress alone in older journals."""
        if event.prefill_s:
            begun = event.started_s + event.waited_s
            first_token = begun + event.prefill_s
        else:
            begun = event.started_s
            first_token = event.started_s if node.first_token_s is None else node.first_token_s
        begun = min(max(begun, node.since_s), event.at)
        first_token = min(max(first_token, begun), event.at)
        if begun - node.since_s >= SHORTEST_WAIT_S:
            self._span(node, "wait", node.since_s, begun)
        self._span(node, "prefill", begun, first_token)
        self._span(node, "decode", first_token, event.at)

    def _work(self, node: RunningNode, kind: SpanKind, start_s: float, end_s: float) -> None:
        start_s = min(max(start_s, node.since_s), end_s)
        if start_s - node.since_s >= SHORTEST_WAIT_S:
            self._span(node, "wait", node.since_s, start_s)
        self._span(node, kind, start_s, end_s)

    def _span(
        self, node: RunningNode, kind: SpanKind, start_s: float, end_s: float, *, ok: bool = True
    ) -> None:
        if end_s > start_s or not ok:
            self._add(
                Span(
                    lane=node.lane,
                    slot=node.slot,
                    kind=kind,
                    start_s=start_s,
                    end_s=end_s,
                    what=node.operator,
                    node=node.node,
                    ok=ok,
                )
            )

    def _add(self, span: Span) -> None:
        self.spans.append(span)
        self.spans_seen += 1
        meter = self._uses.get(span.lane)
        if meter is None:
            meter = self._uses[span.lane] = UseMeter(span.lane)
        meter.add(span.kind, span.start_s, span.end_s)
