"""Where a run's journal tells of a row: its window, who shared work with whom, when nodes were settled.

The log of events has no index of its own. It is read once, piece by piece, for the little that only it knows;
after that a row is found by opening one window and looking up its nodes by key.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from engine.ir.event import (
    Event,
    NodeCoalesced,
    NodeCompleted,
    NodeFailed,
    NodeSkipped,
    RunStarted,
    WindowPlanned,
)
from engine.ir.ids import NodeId, QueryIndex
from engine.journal.outline import PlanOutline
from engine.journal.view import RunView
from haloctl.moment import FailedThen, Moment

BATCHES_AT_ONCE = 512
"""Batches of events read in one piece: some hundredths of a second."""

ServedBy: TypeAlias = Literal["shared", "cached"]
"""What served a node that did not work itself: another node's work, or the result cache."""
_NEVER = -1


@dataclass(slots=True)
class _Attempt:
    """What the events of one attempt said: nodes served by another one, nodes served by a cache, failures.

    `first` is the number of the attempt's first settlement, `places` has each node's own number.
    """

    first: int
    leaders: dict[NodeId, NodeId] = field(default_factory=dict)
    cached: set[NodeId] = field(default_factory=set)
    failed: dict[NodeId, FailedThen] = field(default_factory=dict)
    places: array[int] = field(default_factory=lambda: array("q"))

    def settle(self, node: NodeId, place: int) -> None:
        """A node has what it will have."""
        if node >= len(self.places):
            self.places.extend([_NEVER] * (node + 1 - len(self.places)))
        self.places[node] = place


@dataclass(frozen=True, slots=True)
class _Window:
    """Rows of one plan, ascending, its nodes, and what is compared to find the attempt it belongs to."""

    rows: array[int]
    nodes: range
    outline: tuple[int, int, float]


class RunIndex:
    """Grows with the run it is shown. Costs eight bytes a planned row, 24 a settled node, and a little for
    each shared or failed one.
    """

    def __init__(self) -> None:
        self._windows: list[_Window] = []
        self._attempts: list[_Attempt] = []
        self._attempt_of: list[int] = []
        self._planned_s = array("d")
        # Settlements in the order of the log: which node, and when.
        self._settled = array("q")
        self._settled_s = array("d")
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

    # --- windows ------------------------------------------------------------------------------------

    def windows_of(self, row: QueryIndex) -> Iterator[int]:
        """Numbers of the plans that hold a row, the newest first: a resumed run plans a row again."""
        for number in range(len(self._windows) - 1, -1, -1):
            rows = self._windows[number].rows
            at = bisect_left(rows, row)
            if at < len(rows) and rows[at] == row:
                yield number

    def planned_by(self, moment: Moment) -> Iterator[int]:
        """Numbers of the plans that had been told of by a moment, the oldest first."""
        wanted = self._attempt_at(moment)
        for window, attempt in enumerate(self._attempt_of):
            early = attempt < wanted or (attempt == wanted and self._planned_s[window] <= moment.at_s)
            if attempt >= 0 and early:
                yield window

    def is_current(self, window: int, moment: Moment | None = None) -> bool:
        """Whether a window belongs to the attempt that is looked at, the newest one if no moment is."""
        attempt = self._attempt_of[window] if window < len(self._attempt_of) else len(self._attempts) - 1
        return attempt == self._attempt_at(moment)

    def window_of(self, window: int, node: NodeId) -> int | None:
        """The window that holds a node of the attempt that carried out `window`."""
        if node in self._windows[window].nodes:
            return window
        attempt = self._attempt_of[window]
        beside = (at for at, other in enumerate(self._attempt_of) if other == attempt)
        return next((at for at in beside if node in self._windows[at].nodes), None)

    def attempt_of(self, window: int) -> int | None:
        """Which attempt carried a window out, from 1; None while no event has told of it."""
        attempt = self._attempt_of[window] if window < len(self._attempt_of) else -1
        return None if attempt < 0 else attempt + 1

    # --- who served a node --------------------------------------------------------------------------

    def leader(self, window: int, node: NodeId) -> NodeId | None:
        """The node that did a coalesced node's work."""
        attempt = self._attempt(window)
        return None if attempt is None else attempt.leaders.get(node)

    def served(self, window: int, nodes: Mapping[NodeId, object]) -> Iterator[tuple[NodeId, ServedBy]]:
        """Those of some nodes of a window that did not work themselves, and what served them."""
        attempt = self._attempt(window)
        if attempt is not None:
            for node in attempt.leaders.keys() & nodes.keys():
                yield node, "shared"
            for node in attempt.cached & nodes.keys():
                yield node, "cached"

    def is_cached(self, window: int, node: NodeId) -> bool:
        """Whether a node's value came from the result cache."""
        attempt = self._attempt(window)
        return attempt is not None and node in attempt.cached

    # --- when it was settled ------------------------------------------------------------------------

    def settled_by(self, moment: Moment) -> int:
        """How many settlements there had been by a moment: they have the numbers before that one."""
        wanted = self._attempt_at(moment)
        if not 0 <= wanted < len(self._attempts):
            return 0 if wanted < 0 else len(self._settled)
        first = self._attempts[wanted].first
        last = self._attempts[wanted + 1].first if wanted + 1 < len(self._attempts) else len(self._settled)
        return bisect_right(self._settled_s, moment.at_s, first, last)

    def settlements(self, start: int, stop: int) -> Iterator[tuple[int, NodeId]]:
        """(attempt, from 1, and node) of settlements with these numbers."""
        for place in range(start, stop):
            attempt = bisect_right(self._attempts, place, key=lambda each: each.first)
            yield attempt, NodeId(self._settled[place])

    def place(self, window: int, node: NodeId) -> int | None:
        """The number of a node's settlement; None for one that is not settled."""
        attempt = self._attempt(window)
        found = _NEVER if attempt is None or node >= len(attempt.places) else attempt.places[node]
        return None if found == _NEVER else found

    def failed(self, window: int, node: NodeId) -> FailedThen | None:
        """How a node failed for good, as it was told then; None for one that did not."""
        attempt = self._attempt(window)
        return None if attempt is None else attempt.failed.get(node)

    def _attempt(self, window: int) -> _Attempt | None:
        """What is known of the attempt that carried a window out; None while no event has told of it."""
        attempt = self._attempt_of[window] if window < len(self._attempt_of) else -1
        return None if attempt < 0 else self._attempts[attempt]

    def _attempt_at(self, moment: Moment | None) -> int:
        wanted = None if moment is None else moment.attempt
        return (len(self._attempts) if wanted is None else wanted) - 1

    # --- the log ------------------------------------------------------------------------------------

    def _absorb(self, event: Event) -> None:
        if isinstance(event, RunStarted) or event.at < self._last_s or not self._attempts:
            # Journals of earlier releases do not say that an attempt began.
            self._attempts.append(_Attempt(len(self._settled)))
        self._last_s = event.at
        now = self._attempts[-1]
        match event:
            case NodeCoalesced(node=node, leader=leader):
                now.leaders[node] = leader
                self._settle(node, event.at)
            case NodeCompleted(node=node, from_cache=from_cache, recalled=recalled):
                if from_cache and not recalled:
                    now.cached.add(node)
                self._settle(node, event.at)
            case NodeSkipped(node=node):
                self._settle(node, event.at)
            case NodeFailed(node=node, failure=failure, final=True, recalled=recalled):
                now.failed[node] = FailedThen(failure=failure, by_s=None if recalled else event.at)
                self._settle(node, event.at)
            case WindowPlanned():
                self._assign(event)
            case _:
                pass

    def _settle(self, node: NodeId, at_s: float) -> None:
        self._attempts[-1].settle(node, len(self._settled))
        self._settled.append(node)
        self._settled_s.append(at_s)

    def _assign(self, event: WindowPlanned) -> None:
        """The plan an event speaks of is the next one like it: one that came to nothing was never told of."""
        told = (event.nodes, event.queries, event.estimate_s)
        for number in range(len(self._attempt_of), len(self._windows)):
            if self._windows[number].outline == told:
                came_to_nothing = number - len(self._attempt_of)
                self._attempt_of += [-1] * came_to_nothing
                self._attempt_of.append(len(self._attempts) - 1)
                self._planned_s.extend([event.at] * (came_to_nothing + 1))
                return


def _window(outline: PlanOutline) -> _Window:
    return _Window(
        rows=array("q", sorted(query.index for query in outline.queries)),
        nodes=range(outline.first_node, outline.first_node + outline.nodes),
        outline=(outline.nodes, len(outline.queries), outline.estimate_s),
    )
