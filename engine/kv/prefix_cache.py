"""The prefix cache: radix tree, sequence ids and cell accounting over a model's key-value memory.

A running request holds a `Lease`: a sequence of its own that shares the cells of the cached prefix it
began with. What it computes is private to it until `store` hands it to the tree. Every cell is counted
once: in the tree, or as private to one lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.kv.admission import SHARED_TOKENS
from engine.kv.radix_tree import Node, RadixTree, Tokens
from engine.kv.slots import SequencePool

COLD_TOKENS = 512
"""Tokens kept of prompts that nobody has shared and no waiting request will; the latest stays in any case.

Every kept cell slows each batch, for attention must skip it, and a prompt's own ending seldom comes again.
But requests that share a beginning may come one by one. Prefixes that were shared stay until memory is short,
or until they are *stale*.
"""

Shared = Callable[[Tokens], int]
"""Most tokens that a waiting prompt has in common with these."""


class SequenceMemory(Protocol):
    """Key-value cells of a model, addressed by sequence id and position; copying shares, never computes."""

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target` hold the cells of `source` at positions start … end-1."""
        ...

    def remove(self, sequence: int, start: int) -> None:
        """Let `sequence` drop its cells from position `start` on; unshared ones become free."""
        ...


@dataclass(slots=True)
class Lease:
    """A running request's sequence: `matched` tokens came from the cache; `node` is protected for it."""

    sequence: int
    matched: int
    node: Node
    private: int = 0


class PrefixCache:
    """Cells and sequences of one loaded model. With `sharing` off nothing is matched or kept.

    A prefix is stale when it was not used while `stale_after` tokens were computed; None: never. What is
    `awaited` goes only when memory is short.
    """

    def __init__(
        self,
        memory: SequenceMemory,
        cells: int,
        sequences: int,
        *,
        sharing: bool = True,
        stale_after: int | None = None,
        awaited: Shared = lambda _: 0,
    ) -> None:
        self.memory = memory
        self.cells = cells
        self.sharing = sharing
        self.stale_after = stale_after
        self._awaited_tokens = awaited
        self.tree = RadixTree()
        self.evicted_tokens = 0
        self._pool = SequencePool(sequences)
        self._private = 0
        self._pins: dict[int, tuple[Tokens, Node | None]] = {}
        self._next_pin = 1

    @property
    def used(self) -> int:
        """Cells taken by the tree and by running requests."""
        return self.tree.cells + self._private

    @property
    def free(self) -> int:
        """Cells that hold nothing."""
        return self.cells - self.used

    def reachable(self) -> int:
        """Cells free now or after evicting everything that nobody uses."""
        return self.cells - self._private - self.tree.used_cells

    def begin(self, tokens: Tokens, limit: int) -> Lease | None:
        """Open a sequence holding the longest cached prefix of `tokens`, at most `limit` tokens of it.

        None when no sequence id can be had by evicting anything but that prefix: once a running request ends,
        it can begin with the prefix.
        """
        node = self.tree.locate(tokens[:limit]) if self.sharing else self.tree.root
        self.tree.protect(node)
        sequence = self._take_sequence()
        if sequence is None:
            self.tree.unprotect(node)
            return None
        if node.depth:
            self.tree.hit(node)
            self.memory.copy(self.tree.holder(node), sequence, 0, node.depth)
        return Lease(sequence=sequence, matched=node.depth, node=node)

    def grow(self, lease: Lease, tokens: int) -> None:
        """Count cells that the runtime has just computed for `lease`: all others were skipped so often."""
        self._add(lease, tokens)
        self.tree.advance(tokens)

    def restore(self, lease: Lease, tokens: Tokens) -> None:
        """Keep cells that were filled from a saved state. They count as shared: for that they were saved."""
        self._add(lease, len(tokens))
        self.store(lease, tokens)
        self.tree.hit(lease.node)

    def _add(self, lease: Lease, tokens: int) -> None:
        lease.private += tokens
        self._private += tokens

    def store(self, lease: Lease, tokens: Tokens) -> None:
        """Keep the lease's cells of `tokens`, its first ones, for others; does nothing without sharing.

        Also does nothing when every sequence id is in use: the prefix is then simply not retained.
        """
        if not self.sharing:
            return
        at = self.tree.locate(tokens)
        leaf = at
        if at.depth < len(tokens):
            self.tree.protect(at)
            grown = self._adopt(lease, at, tokens)
            self.tree.unprotect(at)
            if grown is None:
                return
            leaf = grown
        self.tree.protect(leaf)
        self.tree.unprotect(lease.node)
        lease.node = leaf
        self._attach_pins()

    def end(self, lease: Lease) -> None:
        """Give back the lease's sequence and private cells. What the tree adopted stays, but for what is cold
        or stale now.
        """
        self.memory.remove(lease.sequence, 0)
        self._pool.give_back(lease.sequence)
        self._private -= lease.private
        self.tree.touch(lease.node)
        self.tree.unprotect(lease.node)
        self._evict_cold()
        self._evict_stale()

    def make_room(self, cells: int) -> bool:
        """Evict least recently used prefixes until `cells` are free; False when it cannot be."""
        while self.free < cells:
            evicted = False
            for leaf in self.tree.evictable():
                self._evict(leaf)
                evicted = True
                if self.free >= cells:
                    break
            if not evicted:
                return False
        return True

    def pin(self, prefix: Tokens) -> int:
        """Protect `prefix` once all of it is cached, until `release`; returns a handle."""
        handle = self._next_pin
        self._next_pin += 1
        self._pins[handle] = (prefix, None)
        self._attach_pins()
        return handle

    def release(self, handle: int) -> None:
        """Undo a pin; unknown handles are ignored."""
        _, node = self._pins.pop(handle, ((), None))
        if node is not None:
            self.tree.unprotect(node)

    def borrow(self, prefix: Tokens) -> Lease | None:
        """A lease on the longest cached part of `prefix` (for export), or None when nothing is cached."""
        if not self.sharing or not self.tree.match(prefix):
            return None
        return self.begin(prefix, len(prefix))

    def _adopt(self, lease: Lease, at: Node, tokens: Tokens) -> Node | None:
        """Move the lease's cells behind `at` into the tree; None when no sequence id is to be had."""
        sequence = at.sequence
        if sequence is None:
            taken = self._take_sequence()
            if taken is None:
                return None
            if at.sequence is not None:  # eviction for `taken` made `at` a leaf: it has a sequence now
                self._pool.give_back(taken)
                sequence = at.sequence
            else:
                sequence = taken
                if at.depth:
                    self.memory.copy(self.tree.holder(at), sequence, 0, at.depth)
        self.memory.copy(lease.sequence, sequence, at.depth, len(tokens))
        leaf = self.tree.insert(at, tokens[at.depth :], sequence)
        lease.private -= len(leaf.edge)
        self._private -= len(leaf.edge)
        return leaf

    def _take_sequence(self) -> int | None:
        sequence = self._pool.take()
        while sequence is None:
            leaf = next(self.tree.evictable(), None)
            if leaf is None:
                return None
            self._evict(leaf)
            sequence = self._pool.take()
        return sequence

    def _evict(self, leaf: Node) -> None:
        self.evicted_tokens += len(leaf.edge)
        sequence, kept = self.tree.evict(leaf)
        self.memory.remove(sequence, kept or 0)
        if kept is None:
            self._pool.give_back(sequence)

    def _evict_cold(self) -> None:
        cold = [leaf for leaf in self.tree.evictable() if not leaf.hits and not self._awaited(leaf)]
        kept = 0
        for leaf in reversed(cold):
            if kept and kept + len(leaf.edge) > COLD_TOKENS:
                self._evict(leaf)
            else:
                kept += len(leaf.edge)

    def _evict_stale(self) -> None:
        while stale := [leaf for leaf in self.tree.evictable() if self._stale(leaf)]:
            for leaf in stale:
                self._evict(leaf)

    def _stale(self, leaf: Node) -> bool:
        if self.stale_after is None or self.tree.clock - leaf.used_at <= self.stale_after:
            return False
        return not self._awaited(leaf)

    def _awaited(self, leaf: Node) -> bool:
        """Whether a waiting request will find enough of what this leaf alone keeps."""
        others_keep = leaf.depth - len(leaf.edge)
        return self._awaited_tokens(leaf.tokens()) >= others_keep + min(SHARED_TOKENS, len(leaf.edge))

    def _attach_pins(self) -> None:
        for handle, (prefix, node) in self._pins.items():
            if node is None and prefix and self.tree.match(prefix) == len(prefix):
                node = self.tree.locate(prefix)
                self.tree.protect(node)
                self._pins[handle] = (prefix, node)
