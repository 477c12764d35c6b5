"""Operator by operator in simulated time: whose turn it is, and who waits for his."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable


class Turns:
    """Operators take turns in the plan's order; a turn ends when the last of the operator's nodes is done.

    `operators` are those of the nodes, in the order of nodes. Every node settles once.
    """

    def __init__(self, operators: Iterable[int]) -> None:
        self._operators = tuple(operators)
        self._left = Counter(self._operators)
        self._order = sorted(self._left, reverse=True)
        self._held: dict[int, list[int]] = defaultdict(list)

    def hold(self, node: int) -> bool:
        """Whether a ready node's operator has to wait; then `settled` gives the node back in its turn."""
        operator = self._operators[node]
        if operator == self._order[-1]:
            return False
        self._held[operator].append(node)
        return True

    def settled(self, node: int) -> list[int]:
        """A node is done; the nodes whose turn that begins."""
        operator = self._operators[node]
        self._left[operator] -= 1
        if self._left[operator]:
            return []
        self._order.pop()
        return self._held.pop(self._order[-1], []) if self._order else []
