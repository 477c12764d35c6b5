"""The radix tree against a set of prefixes, under random operations."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.kv.prefix_cache import Lease, PrefixCache

SEQUENCES = 12
CELLS = 80
TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple)


class ReferenceMemory:
    """Cells as a model keeps them: each is a (position, token, set of sequences holding it)."""

    def __init__(self) -> None:
        self.cells: list[tuple[int, int, set[int]]] = []

    def write(self, sequence: int, start: int, tokens: tuple[int, ...]) -> None:
        self.cells += [(start + i, token, {sequence}) for i, token in enumerate(tokens)]

    def text(self, sequence: int) -> tuple[int, ...]:
        held = sorted((position, token) for position, token, owners in self.cells if sequence in owners)
        assert [position for position, _ in held] == list(range(len(held))), "gap or duplicate position"
        return tuple(token for _, token in held)

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        for position, _, owners in self.cells:
            if source in owners and start <= position < end:
                owners.add(target)

    def remove(self, sequence: int, start: int) -> None:
        for position, _, owners in self.cells:
            if position >= start:
                owners.discard(sequence)
        self.cells = [cell for cell in self.cells if cell[2]]


class PrefixCacheMachine(RuleBasedStateMachine):
    """Begin, compute, store, end, pin and evict at random; the memory knows the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = ReferenceMemory()
        self.cache = PrefixCache(self.memory, CELLS, SEQUENCES)
        self.running: list[tuple[Lease, tuple[int, ...]]] = []
        self.pins: list[tuple[int, tuple[int, ...]]] = []

    @initialize(stale_after=st.sampled_from((None, 0, 15, 60)))
    def grow_stale(self, stale_after: int | None) -> None:
        self.cache.stale_after = stale_after

    @rule(tokens=TOKENS)
    def begin_and_compute(self, tokens: tuple[int, ...]) -> None:
        if len(self.running) == SEQUENCES - 2:
            return
        expected = self.cache.tree.match(tokens[:-1])
        lease = self.cache.begin(tokens, len(tokens) - 1)
        if lease is None:  # each sequence runs, is protected by one that runs, or holds the match
            matched = [leaf.tokens() for leaf in self.cache.tree.leaves() if not leaf.users]
            assert all(tokens[: len(prefix)] == prefix for prefix in matched)
            assert self.running
            return
        assert lease.matched <= expected  # taking a sequence id may evict, but never what is matched
        assert self.memory.text(lease.sequence) == tokens[: lease.matched]
        if not self.cache.make_room(len(tokens) - lease.matched):
            self.cache.end(lease)
            return
        self.memory.write(lease.sequence, lease.matched, tokens[lease.matched :])
        self.cache.grow(lease, len(tokens) - lease.matched)
        self.running.append((lease, tokens))

    @rule(pick=st.integers(0, 99), part=st.integers(1, 12))
    def store(self, pick: int, part: int) -> None:
        if self.running:
            lease, tokens = self.running[pick % len(self.running)]
            if part > lease.matched:
                self.cache.store(lease, tokens[: max(part, lease.node.depth)])

    @rule(pick=st.integers(0, 99))
    def end(self, pick: int) -> None:
        if self.running:
            lease, tokens = self.running.pop(pick % len(self.running))
            assert self.memory.text(lease.sequence) == tokens
            self.cache.end(lease)
            self.nothing_is_stale()

    @rule(tokens=TOKENS)
    def restore(self, tokens: tuple[int, ...]) -> None:
        lease = self.cache.begin(tokens, 0) if len(self.running) < SEQUENCES - 2 else None
        if lease is None:
            return
        if self.cache.make_room(len(tokens)):
            self.memory.write(lease.sequence, 0, tokens)
            self.cache.restore(lease, tokens)
        self.cache.end(lease)
        self.nothing_is_stale()

    def nothing_is_stale(self) -> None:
        tree, limit = self.cache.tree, self.cache.stale_after
        ages = [tree.clock - leaf.used_at for leaf in tree.evictable()]
        assert ages == sorted(ages, reverse=True)
        assert limit is None or all(age <= limit for age in ages)

    @rule(tokens=TOKENS)
    def pin(self, tokens: tuple[int, ...]) -> None:
        if len(self.pins) < 2:
            self.pins.append((self.cache.pin(tokens), tokens))

    @rule()
    def release(self) -> None:
        if self.pins:
            self.cache.release(self.pins.pop()[0])

    @rule(cells=st.integers(0, CELLS))
    def make_room(self, cells: int) -> None:
        pinned = [tokens for _, tokens in self.pins if self.cache.tree.match(tokens) == len(tokens)]
        possible = self.cache.reachable() >= cells
        assert self.cache.make_room(cells) == possible
        for tokens in pinned:
            assert self.cache.tree.match(tokens) == len(tokens)

    @invariant()
    def agree(self) -> None:
        self.cache.tree.check_integrity()
        assert self.cache.used == len(self.memory.cells)
        prefixes: set[tuple[int, ...]] = set()
        for leaf in self.cache.tree.leaves():
            assert leaf.sequence is not None
            tokens = leaf.tokens()
            assert self.memory.text(leaf.sequence) == tokens
            prefixes |= {tokens[:end] for end in range(1, len(tokens) + 1)}
        assert len(prefixes) == self.cache.tree.cells
        for _, tokens in self.running:
            longest = max((len(p) for p in prefixes if tokens[: len(p)] == p), default=0)
            assert self.cache.tree.match(tokens) == longest


TestPrefixCache = PrefixCacheMachine.TestCase
TestPrefixCache.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
