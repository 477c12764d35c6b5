"""Where a run's journal tells of a row: its window, and who shared work with whom.

The log of events has no index of its own. It is read once, piece by piece, for the little that only it knows;
after that a row is found by opening one window and looking up its nodes by key.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from engine.ir.event import Event, NodeCoalesced, NodeCompleted, RunStarted, WindowPlanned
from engine.ir.ids import NodeId, QueryIndex
from engine.journal.outline import PlanOutline
from engine.journal.view import RunView

BATCHES_AT_ONCE = 512
"""Batches of events read in one piece: some hundredths of a second."""

ServedBy: TypeAlias = Literal["shared", "cached"]
"""What served a node that did not work itself: another node's work, or the result cache."""


@dataclass(slots=True)
class _Sharing:
    """What the events of one attempt said: nodes served by another one, and nodes served by a cache."""

    leaders: dict[NodeId, NodeId] = field(default_factory=dict)
    cached: set[NodeId] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Window:
    """Rows of one plan, ascending, its nodes, and what is compared to find the attempt it belongs to."""

    rows: array[int]
    nodes: range
    outline: tuple[int, int, float]


class RunIndex:
    """Grows with the run it is shown. Costs eight bytes a planned row, and a little for each shared node."""

    def __init__(self) -> None:
        self._windows: list[_Window] = []
        self._attempts: list[_Sharing] = []
        self._attempt_of: list[int] = []
        self._after = 0
        self._last_s = 0.0

    def extend(self, view: RunView, most_batches: int = BATCHES_AT_ONCE) -> bool:
        """Take in windows planned meanwhile, and so many batches of events; True if there are more of those.

        Raises JournalError.
        """
        for outline in view.plan_outlines(len(self._windows)):
            self._windows.append(_window(outline))
        for read, (place, events) in enumerate(view.event_batches(self._after), 1):
            self._after = place
            for event in events:
                self._absorb(event)
            if read >= most_batches:
                return True
        return False

    def windows_of(self, row: QueryIndex) -> Iterator[int]:
        """Numbers of the plans that hold a row, the newest first: a resumed run plans a row again."""
        for number in range(len(self._windows) - 1, -1, -1):
            rows = self._windows[number].rows
            at = bisect_left(rows, row)
            if at < len(rows) and rows[at] == row:
                yield number

    def leader(self, window: int, node: NodeId) -> NodeId | None:
        """The node that did a coalesced node's work."""
        sharing = self._sharing(window)
        return None if sharing is None else sharing.leaders.get(node)

    def served(self, window: int, nodes: Mapping[NodeId, object]) -> Iterator[tuple[NodeId, ServedBy]]:
        """Those of some nodes of a window that did not work themselves, and what served them."""
        sharing = self._sharing(window)
        if sharing is not None:
            for node in sharing.leaders.keys() & nodes.keys():
                yield node, "shared"
            for node in sharing.cached & nodes.keys():
                yield node, "cached"

    def is_cached(self, window: int, node: NodeId) -> bool:
        """Whether a node's value came from the result cache."""
        sharing = self._sharing(window)
        return sharing is not None and node in sharing.cached

    def window_of(self, window: int, node: NodeId) -> int | None:
        """The window that holds a node of the attempt that carried out `window`."""
        if node in self._windows[window].nodes:
            return window
        attempt = self._attempt_of[window]
        beside = (at for at, other in enumerate(self._attempt_of) if other == attempt)
        return next((at for at in beside if node in self._windows[at].nodes), None)

    def _sharing(self, window: int) -> _Sharing | None:
        """What is known of the attempt that carried a window out; None while no event has told of it."""
        attempt = self._attempt_of[window] if window < len(self._attempt_of) else -1
        return None if attempt < 0 else self._attempts[attempt]

    def _absorb(self, event: Event) -> None:
        if isinstance(event, RunStarted) or event.at < self._last_s or not self._attempts:
            self._attempts.append(_Sharing())  # journals of earlier releases do not say that one began
        self._last_s = event.at
        now = self._attempts[-1]
        match event:
            case NodeCoalesced(node=node, leader=leader):
                now.leaders[node] = leader
            case NodeCompleted(node=node, from_cache=True, recalled=False):
                now.cached.add(node)
            case WindowPlanned():
                self._assign(event)
            case _:
                pass

    def _assign(self, event: WindowPlanned) -> None:
        """The plan an event speaks of is the next one like it: one that came to nothing was never told of."""
        told = (event.nodes, event.queries, event.estimate_s)
        for number in range(len(self._attempt_of), len(self._windows)):
            if self._windows[number].outline == told:
                self._attempt_of += [-1] * (number - len(self._attempt_of))
                self._attempt_of.append(len(self._attempts) - 1)
                return


def _window(outline: PlanOutline) -> _Window:
    return _Window(
        rows=array("q", sorted(query.index for query in outline.queries)),
        nodes=range(outline.first_node, outline.first_node + outline.nodes),
        outline=(outline.nodes, len(outline.queries), outline.estimate_s),
    )
