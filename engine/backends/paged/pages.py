"""Which pages hold which tokens: sequences share pages, and a page is copied before a second one writes on.

Sharing is exact to the token although pages are whole: a sequence that takes over a prefix refers to its
last, partly filled page too. Whoever first writes behind the prefix owns that page or gets a copy of it, so a
copy of at most one page is the price of a shared prefix, and no token of it is computed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PAGE_TOKENS = 256
"""Tokens of a page: what ExLlamaV2 and flash-attn's paged kernels use."""

SCRAP = 0
"""A page that belongs to nobody: padding of a batch is written there."""


class Write(NamedTuple):
    """Cells to be written: `tokens` of a sequence from position `start` on."""

    sequence: int
    start: int
    tokens: int


def pages_for(tokens: int) -> int:
    """Pages that hold this many tokens."""
    return -(-tokens // PAGE_TOKENS)


class PageTable:
    """`engine.kv.prefix_cache.SequenceMemory` over numbered pages; page SCRAP is never handed out."""

    def __init__(self, pages: int, sequences: int) -> None:
        self._tables: list[list[int]] = [[] for _ in range(sequences)]
        self._lengths = [0] * sequences
        self._holders = [0] * pages
        self._writers: list[int | None] = [None] * pages
        self._free = list(range(pages - 1, SCRAP, -1))

    @property
    def free_pages(self) -> int:
        """Pages that hold nothing."""
        return len(self._free)

    def pages(self, sequence: int) -> tuple[int, ...]:
        """The pages of a sequence, in the order of its tokens."""
        return tuple(self._tables[sequence])

    def tokens(self, sequence: int) -> int:
        """Cells that the sequence holds, written or about to be."""
        return self._lengths[sequence]

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target` hold `source`'s cells at start … end-1; both hold the same tokens before `start`."""
        first = start // PAGE_TOKENS
        shared = self._tables[source][first : pages_for(end)]
        for page in shared:
            self._holders[page] += 1
        self._drop(target, first)
        self._tables[target] += shared
        self._lengths[target] = end

    def remove(self, sequence: int, start: int) -> None:
        """Let a sequence drop its cells from `start` on."""
        self._drop(sequence, pages_for(start))
        if start < self._lengths[sequence]:
            self._lengths[sequence] = start
            for page in self._tables[sequence][start // PAGE_TOKENS :]:
                self._writers[page] = None  # others may hold what it dropped, and it would write over that

    def missing(self, writes: Iterable[Write]) -> int:
        """Pages that these writes need and that are not there yet; at most so many are taken."""
        return sum(len(self._to_take(write)) for write in writes)

    def open(self, write: Write) -> list[tuple[int, int]]:
        """Make a write's pages its sequence's own; returns pages (from, to) to be copied before writing.

        The caller has seen that there are `missing` pages.
        """
        table = self._tables[write.sequence]
        copies: list[tuple[int, int]] = []
        for index in self._to_take(write):
            page = self._free.pop()
            self._holders[page] = 1
            if index == len(table):
                table.append(page)
                continue
            copies.append((table[index], page))
            self._release(table[index], write.sequence)
            table[index] = page
        for page in table[write.start // PAGE_TOKENS : pages_for(write.start + write.tokens)]:
            self._writers[page] = write.sequence
        self._lengths[write.sequence] = write.start + write.tokens
        return copies

    def _to_take(self, write: Write) -> list[int]:
        """Places in the sequence's table that need a page of its own."""
        table = self._tables[write.sequence]
        places = range(write.start // PAGE_TOKENS, pages_for(write.start + write.tokens))
        return [at for at in places if at >= len(table) or not self._owned(table[at], write.sequence)]

    def _owned(self, page: int, sequence: int) -> bool:
        """Others may hold a page that a sequence fills: they hold what it has filled already."""
        return self._holders[page] == 1 or self._writers[page] == sequence

    def _drop(self, sequence: int, first: int) -> None:
        for page in self._tables[sequence][first:]:
            self._release(page, sequence)
        del self._tables[sequence][first:]

    def _release(self, page: int, sequence: int) -> None:
        if self._writers[page] == sequence:
            self._writers[page] = None
        self._holders[page] -= 1
        if not self._holders[page]:
            self._free.append(page)
