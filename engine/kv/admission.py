"""Which waiting requests to admit next: a pure policy over token sequences.

Waiting requests are kept in token order, where requests that share a prefix are neighbours. Admission
walks from neighbour to neighbour, which visits the trie of all prompts depth first: each prefix is
computed once and used up before the cache must hold the next. Where the walk leaves a shared prefix it
jumps to the group whose prefix is cached the longest.

A request whose prefix is just being computed by a running one is a *follower*: it is held until that
prefix is in the cache, so that a shared prefix is computed by its *leader* alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.kv.radix_tree import Tokens, common_prefix

SHARED_TOKENS = 16
"""Prefixes shorter than this are not worth ordering, waiting for, or keeping for a request that waits."""

_GROUPS_EXAMINED = 64
"""Groups matched against the cache per decision; the rest keep their place by arrival."""

Match = Callable[[Tokens], int]
"""Tokens of a prompt that are cached now."""


class Waiting(NamedTuple):
    """A request that waits. `arrival` is unique and orders requests of equal merit."""

    tokens: Tokens
    arrival: int


class WaitingQueue:
    """Requests not yet admitted. With `ordered` off: first come, first served, and nobody is held."""

    def __init__(self, *, ordered: bool = True) -> None:
        self.ordered = ordered
        self._entries: list[Waiting] = []
        self._last: Tokens = ()

    def __len__(self) -> int:
        """Number of waiting requests."""
        return len(self._entries)

    def add(self, entry: Waiting) -> None:
        """Add a request; its arrival number must not be waiting already."""
        if self.ordered:
            insort(self._entries, entry)
        else:
            insort(self._entries, entry, key=lambda waiting: waiting.arrival)

    def remove(self, entry: Waiting) -> bool:
        """Take a request out; False when it does not wait."""
        if self.ordered:
            at = bisect_left(self._entries, entry)
        else:
            at = bisect_left(self._entries, entry.arrival, key=lambda waiting: waiting.arrival)
        if at < len(self._entries) and self._entries[at] == entry:
            del self._entries[at]
            return True
        return False

    def choose(self, match: Match, computing: Sequence[Tokens]) -> Waiting | None:
        """The request to admit next, or None when all are held (or none waits). Does not remove it.

        `computing` are the prompts whose prefill is under way.
        """
        if not self.ordered:
            return self._entries[0] if self._entries else None
        near = self._nearest()
        if near is not None and not _held(near.tokens, match, computing):
            return near
        for start in self._groups(match):
            entry = self._first_free(start, match, computing)
            if entry is not None:
                return entry
        return None

    def shared(self, tokens: Tokens) -> int:
        """Most tokens that a waiting prompt has in common with `tokens`."""
        near = self._entries
        if self.ordered:  # neighbours in token order have most in common
            at = bisect_left(near, Waiting(tokens, -1))
            near = near[max(at - 1, 0) : at + 1]
        return max((common_prefix(entry.tokens, tokens) for entry in near), default=0)

    def admitted(self, entry: Waiting) -> None:
        """Take an admitted request out; the walk goes on from it."""
        self.remove(entry)
        self._last = entry.tokens

    def _nearest(self) -> Waiting | None:
        """The neighbour sharing most with the last admitted request, if that is worth following."""
        at = bisect_left(self._entries, Waiting(self._last, -1))
        best, shared = None, SHARED_TOKENS - 1
        for entry in self._entries[max(at - 1, 0) : at + 1][::-1]:
            length = common_prefix(entry.tokens, self._last)
            if length > shared:
                best, shared = entry, length
        return best

    def _groups(self, match: Match) -> list[int]:
        """First position of each run of neighbours that share a prefix: longest cached first, among the
        groups that arrived first; the others by arrival.
        """
        runs: list[tuple[int, int]] = []
        head: Tokens | None = None
        for at, entry in enumerate(self._entries):
            start = entry.tokens[:SHARED_TOKENS]
            if start == head and len(start) == SHARED_TOKENS:
                earliest, first = runs[-1]
                runs[-1] = (min(earliest, entry.arrival), first)
            else:
                runs.append((entry.arrival, at))
            head = start
        starts = [first for _, first in sorted(runs)]
        near, rest = starts[:_GROUPS_EXAMINED], starts[_GROUPS_EXAMINED:]
        return sorted(near, key=lambda at: -match(self._entries[at].tokens)) + rest

    def _first_free(self, at: int, match: Match, computing: Sequence[Tokens]) -> Waiting | None:
        """The first request of the group starting at `at` that is not held."""
        head = self._entries[at].tokens[:SHARED_TOKENS]
        while at < len(self._entries) and self._entries[at].tokens[:SHARED_TOKENS] == head:
            entry = self._entries[at]
            if not _held(entry.tokens, match, computing):
                return entry
            # Whoever shares this much with a held request is held for the same prefix: skip them all.
            shared = entry.tokens[: match(entry.tokens) + SHARED_TOKENS]
            at = bisect_right(self._entries, shared, lo=at, key=lambda other: other.tokens[: len(shared)])
        return None


def _held(tokens: Tokens, match: Match, computing: Sequence[Tokens]) -> bool:
    """Whether a running prefill will soon cache at least SHARED_TOKENS more of `tokens`."""
    if not computing:
        return False
    longest = max(common_prefix(tokens, other) for other in computing)
    return longest >= SHARED_TOKENS and longest - match(tokens) >= SHARED_TOKENS
