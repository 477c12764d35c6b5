"""Allocation of model sequence ids."""

from __future__ import annotations


class SequencePool:
    """Ids 0 … size-1, lowest free id first so that a small load touches few of them."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a pool needs at least one sequence")
        self.size = size
        self._free = list(range(size - 1, -1, -1))
        self._taken: set[int] = set()

    @property
    def available(self) -> int:
        """Ids that `take` can still hand out."""
        return len(self._free)

    def take(self) -> int | None:
        """A free id, or None when all are taken."""
        if not self._free:
            return None
        sequence = self._free.pop()
        self._taken.add(sequence)
        return sequence

    def give_back(self, sequence: int) -> None:
        """Return an id. Raises ValueError for one that is not taken."""
        if sequence not in self._taken:
            raise ValueError(f"sequence {sequence} is not taken")
        self._taken.remove(sequence)
        self._free.append(sequence)
