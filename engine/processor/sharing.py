"""Run-time coalescing: who does identical work now, and what identical work gave before. Sans-I/O."""

from __future__ import annotations

from collections import OrderedDict

from engine.ir.ids import ContentKey, Json, NodeId
from engine.ir.result import Completed, NodeOutcome
from engine.processor.nodes import NodeState, Status

REMEMBERED_KEYS = 20_000
REMEMBERED_BYTES = 64 << 20
"""Completed values kept for coalescing with later nodes and windows: so many, and about so large in all."""
_ENTRY_BYTES = 500
"""What remembering costs beside the value: key, usage, provenance."""


class Sharing:
    """Leaders by content key, and a bounded memory of successes. Failures are never remembered."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._leaders: dict[ContentKey, NodeState] = {}
        self._remembered: OrderedDict[ContentKey, tuple[Completed, NodeId, int]] = OrderedDict()
        self._bytes = 0

    def recall(self, key: ContentKey | None) -> tuple[Completed, NodeId] | None:
        """The value of identical work that completed earlier in this run, and the node that did it."""
        known = self._remembered.get(key) if key is not None else None
        if known is None or key is None:
            return None
        self._remembered.move_to_end(key)
        return known[:2]

    def follow(self, node: NodeState, key: ContentKey | None) -> bool:
        """Put a ready node behind the leader of its key; False (and it leads now) if there is none."""
        if key is None or not self._enabled:
            return False
        leader = self._leaders.setdefault(key, node)
        if leader is node:
            return False
        node.move(Status.FOLLOWING)
        leader.followers.append(node)
        return True

    def unfollow(self, node: NodeState, key: ContentKey | None) -> NodeState | None:
        """Take a node out from behind its leader; gives the leader."""
        leader = self._leaders.get(key) if key is not None else None
        if leader is None or node not in leader.followers:
            return None
        leader.followers.remove(node)
        return leader

    def abdicate(self, node: NodeState, key: ContentKey | None) -> None:
        """A leader is about to be let go: whoever comes next with its key leads anew."""
        if key is not None and self._leaders.get(key) is node:
            del self._leaders[key]

    def settle(self, node: NodeState, key: ContentKey | None, outcome: NodeOutcome) -> list[NodeState]:
        """The nodes that waited for `node`; its success is remembered."""
        if key is not None and self._enabled:
            if self._leaders.get(key) is node:
                del self._leaders[key]
            if isinstance(outcome, Completed):
                self._remember(key, outcome, node.id)
        followers, node.followers = node.followers, []
        return followers

    def _remember(self, key: ContentKey, completed: Completed, node: NodeId) -> None:
        if key in self._remembered:
            return
        size = _ENTRY_BYTES + _weight(completed.value)
        self._remembered[key] = completed, node, size
        self._bytes += size
        while len(self._remembered) > REMEMBERED_KEYS or self._bytes > REMEMBERED_BYTES:
            self._bytes -= self._remembered.popitem(last=False)[1][2]


def _weight(value: Json) -> int:
    """About how many bytes a value holds in memory."""
    match value:
        case str():
            return 64 + len(value)
        case list():
            return 64 + sum(map(_weight, value))
        case dict():
            return 128 + sum(64 + len(key) + _weight(item) for key, item in value.items())
        case _:
            return 32
