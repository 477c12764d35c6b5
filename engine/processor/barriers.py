"""Operator by operator: ready nodes are held back until every operator before theirs is done. Sans-I/O."""

from __future__ import annotations

from typing import TypeAlias

from engine.processor.nodes import NodeState

Turn: TypeAlias = tuple[int, int]
"""First node of the window, and the operator's position in it: windows and operators in order."""


class Barriers:
    """Whose turn it is. Every node is expected once and settled once; held ones come back in their turn."""

    def __init__(self) -> None:
        self._left: dict[Turn, int] = {}
        self._held: dict[Turn, list[NodeState]] = {}

    def expect(self, node: NodeState) -> None:
        """A node will settle some time; nodes come in the order of their operators."""
        turn = _turn(node)
        self._left[turn] = self._left.get(turn, 0) + 1

    def hold(self, node: NodeState) -> bool:
        """Whether a ready node has to wait; then it is among those that `settled` gives back."""
        turn = _turn(node)
        if turn == next(iter(self._left)):
            return False
        self._held.setdefault(turn, []).append(node)
        return True

    def settled(self, node: NodeState) -> list[NodeState]:
        """A node is done for good; the nodes that may run now because of that."""
        turn = _turn(node)
        self._left[turn] -= 1
        if not self._left[turn]:
            del self._left[turn]
        return self._held.pop(next(iter(self._left), turn), [])


def _turn(node: NodeState) -> Turn:
    return (node.window.consolidated.first_node, node.plan.operator)
