"""Finished rows on their way to the output: in which order, and what of them is kept in memory."""

from __future__ import annotations

from collections import deque
from typing import Literal

from engine.ir.ids import QueryIndex

BUFFER_BYTES = 8 << 20
HeldRow = tuple[QueryIndex, bytes | None]


class HeldRows:
    """Rows that are durable in the journal and not yet written; not thread-safe.

    Lines beyond `buffer_bytes` are dropped, and read again from the journal when their turn comes: held
    rows cost a few bytes each, however long the first row takes.
    """

    def __init__(self, order: Literal["input", "completion"], buffer_bytes: int = BUFFER_BYTES) -> None:
        self._by_input = order == "input"
        self._budget = buffer_bytes
        self._next = 0
        self._known = bytearray()
        self._lines: dict[int, bytes | None] = {}
        self._arrived: deque[int] = deque()
        self._complete = False

    def __len__(self) -> int:
        return len(self._lines)

    def written(self, index: QueryIndex) -> None:
        """The row stands in the output already."""
        self._mark(index)

    def add(self, index: QueryIndex, line: bytes | None) -> bool:
        """Hold a row; False when it is known already. None stands for a line that is in the journal only."""
        if index < len(self._known) and self._known[index]:
            return False
        self._mark(index)
        if line is not None and len(line) <= self._budget:
            self._budget -= len(line)
        else:
            line = None
        self._lines[index] = line
        if not self._by_input:
            self._arrived.append(index)
        return True

    def complete(self) -> None:
        """No further row will come: gaps in the input's order need not be waited for."""
        if self._by_input and not self._complete:
            self._arrived.extend(sorted(self._lines))
        self._complete = True

    def take(self, rows: int, size_bytes: int) -> list[HeldRow]:
        """Rows whose turn it is: at most `rows`, and of known lines not much more than `size_bytes`."""
        group: list[HeldRow] = []
        while len(group) < rows and size_bytes > 0:
            index = self._turn()
            if index is None:
                break
            line = self._lines.pop(index)
            size = 0 if line is None else len(line)
            self._budget += size
            size_bytes -= size
            group.append((QueryIndex(index), line))
        return group

    def _turn(self) -> int | None:
        if not self._by_input or self._complete:
            return self._arrived.popleft() if self._arrived else None
        while self._next < len(self._known) and self._known[self._next]:
            self._next += 1
            if self._next - 1 in self._lines:
                return self._next - 1
        return None

    def _mark(self, index: int) -> None:
        if index >= len(self._known):
            self._known.extend(b"\0" * (index + 1024 - len(self._known)))
        self._known[index] = 1
