"""Run-time coalescing: who does identical work now, and what identical work gave before. Sans-I/O."""

from __future__ import annotations

from collections import OrderedDict

from engine.ir.ids import ContentKey
from engine.ir.result import Completed, NodeOutcome
from engine.processor.nodes import NodeState, Status

REMEMBERED_KEYS = 20_000
"""Completed content keys kept for coalescing with later nodes and windows."""


class Sharing:
    """Leaders by content key, and a bounded memory of successes. Failures are never remembered."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._leaders: dict[ContentKey, NodeState] = {}
        self._remembered: OrderedDict[ContentKey, Completed] = OrderedDict()

    def recall(self, key: ContentKey | None) -> Completed | None:
        """The value of identical work that completed earlier in this run."""
        known = self._remembered.get(key) if key is not None else None
        if known is not None and key is not None:
            self._remembered.move_to_end(key)
        return known

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

    def settle(self, node: NodeState, key: ContentKey | None, outcome: NodeOutcome) -> list[NodeState]:
        """The nodes that waited for `node`; its success is remembered."""
        if key is not None and self._enabled:
            if self._leaders.get(key) is node:
                del self._leaders[key]
            if isinstance(outcome, Completed):
                self._remembered[key] = outcome
                if len(self._remembered) > REMEMBERED_KEYS:
                    self._remembered.popitem(last=False)
        followers, node.followers = node.followers, []
        return followers
