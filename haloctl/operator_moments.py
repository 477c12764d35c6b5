"""An operator's nodes as they stood at a moment of the run, and at the next one somebody looks at."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.ir.ids import ContentKey, NodeId, OperatorId
from engine.journal.statements import key_bytes
from engine.journal.view import RunView
from haloctl.moment import Moment, outcome_then
from haloctl.operator_nodes import (
    PLACES_AT_ONCE,
    Fate,
    OperatorNode,
    Piece,
    as_served,
    fate_of,
    nodes_of,
)
from haloctl.operator_prefixes import prefixes_of
from haloctl.run_index import RunIndex


class _Told(NamedTuple):
    """A window that was told of: its number, the number of its first node here, and its nodes, ascending."""

    window: int
    first: int
    nodes: array[int]

    def number_of(self, node: NodeId) -> int | None:
        """The number under which a node was told of."""
        at = bisect_left(self.nodes, node)
        return self.first + at if at < len(self.nodes) and self.nodes[at] == node else None


class OperatorMoments:
    """The nodes of an operator as of one moment after another, forth and back, in the order of the plans.

    A piece is some of the log of events, a window of nodes, or so many outcomes. Between pieces a key and a
    number a node are kept, and an index of the log. Belongs to one thread at a time.
    """

    def __init__(self, directory: Path, operator: OperatorId) -> None:
        self._directory = directory
        self._operator = operator
        self._index = RunIndex()
        self._until = 0  # settlements that nodes were told with
        self._begin()

    def _begin(self) -> None:
        self._told: list[_Told] = []
        self._keys: list[bytes] = []
        self._numbers: dict[bytes, tuple[int, ...]] = {}

    def read(self, moment: Moment) -> Piece | None:
        """The next piece on the way to a moment; None when all there was is told. Raises JournalError."""
        with RunView(self._directory) as view:
            if self._index.extend(view):
                return Piece()
            planned = tuple(self._index.planned_by(moment))
            until = self._index.settled_by(moment)
            if tuple(each.window for each in self._told) != planned[: len(self._told)]:
                self._begin()
                return Piece(anew=True)
            if len(self._told) < len(planned):
                self._until = self._until if self._told else until
                return self._window(view, planned[len(self._told)])
            return self._towards(view, until) if until != self._until else None

    def number_of(self, node: NodeId, moment: Moment) -> int | None:
        """Under which number a node was told of that runs at a moment; None for other operators' nodes."""
        for told in reversed(self._told):
            if self._index.is_current(told.window, moment):
                number = told.number_of(node)
                if number is not None:
                    return number
        return None

    def _window(self, view: RunView, window: int) -> Piece:
        """The nodes of one more window."""
        plan = next(view.plans(window)).plan.consolidated
        found = tuple(nodes_of(plan, self._operator))
        first = len(self._keys)
        self._told.append(_Told(window, first, array("q", [node.id for node, _rows in found])))
        for number, (node, _rows) in enumerate(found, first):
            key = key_bytes(node.key)
            self._keys.append(key)
            self._numbers[key] = (*self._numbers.get(key, ()), number)
        new = tuple(
            OperatorNode(node=node.id, rows=rows, fate=self._fate(view, number))
            for number, (node, rows) in enumerate(found, first)
        )
        again = [number for key in self._keys[first:] for number in self._numbers[key][:-1]]
        return Piece(
            new=new,
            prefixes=prefixes_of(plan, [node.id for node, _rows in found]),
            changed=tuple((number, self._fate(view, number)) for number in again),
        )

    def _towards(self, view: RunView, until: int) -> Piece:
        """What becomes of nodes between the moment they were told with and the next one, or a part of it."""
        forth = until > self._until
        stop = min(until, self._until + PLACES_AT_ONCE) if forth else max(until, self._until - PLACES_AT_ONCE)
        numbers = sorted(set(self._between(min(stop, self._until), max(stop, self._until))))
        self._until = stop
        return Piece(changed=tuple((number, self._fate(view, number)) for number in numbers))

    def _between(self, start: int, stop: int) -> Iterator[int]:
        """Nodes that settlements concern, and those that have the same work in other windows."""
        windows: dict[int, list[_Told]] = {}  # of an attempt, in the order of their nodes
        for told in self._told:
            attempt = self._index.attempt_of(told.window)
            if told.nodes and attempt is not None:
                windows.setdefault(attempt, []).append(told)
        for settled_in, node in self._index.settlements(start, stop):
            before = windows.get(settled_in, [])
            at = bisect_right(before, int(node), key=lambda told: told.nodes[0])
            number = before[at - 1].number_of(node) if at else None
            if number is not None:
                yield from self._numbers[self._keys[number]]

    def _fate(self, view: RunView, number: int) -> Fate:
        """How it had gone with a node: as told last of its work, in whichever window.

        A failure that a later window plans again was taken back.
        """
        key = self._keys[number]
        numbers = self._numbers[key]
        for each in reversed(numbers):
            window, node = self._node(each)
            place, failed = self._index.place(window, node), self._index.failed(window, node)
            if place is None or place >= self._until:
                continue
            if failed is not None and each != numbers[-1]:
                return Fate()
            record = view.node(ContentKey(key.hex()))
            fate = fate_of(outcome_then(None if record is None else record.outcome, failed))
            return self._as_served(fate, number)
        return Fate()

    def _as_served(self, fate: Fate, number: int) -> Fate:
        window, node = self._node(number)
        place = self._index.place(window, node)
        if place is None or place >= self._until:
            return fate
        return as_served(fate, next((by for _node, by in self._index.served(window, {node: None})), None))

    def _node(self, number: int) -> tuple[int, NodeId]:
        """A node's window, and its number in the attempt."""
        told = next(each for each in reversed(self._told) if each.first <= number)
        return told.window, NodeId(told.nodes[number - told.first])
