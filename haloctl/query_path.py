"""A query's path through a run, read from the journal: what went in, every step, what came out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.errors import InputError
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import ContentKey, Json, NodeId, QueryIndex, Record
from engine.ir.result import NodeOutcome, QueryResult
from engine.journal.view import RunView
from haloctl.path_steps import Share, Step, steps_of
from haloctl.run_index import RunIndex
from haloctl.shared_rows import first_rows

_PLANS_KEPT: Final = 2
"""A row's own, and one that holds a node which did its work."""


class QueryPath(Record, frozen=True, kw_only=True):
    """A row of the output, the row of the input, and every step between."""

    index: QueryIndex
    id: str
    workflow: str
    inputs: dict[str, Json]
    steps: tuple[Step, ...]
    result: QueryResult | None


class PathReader:
    """Paths through one run, read again and again while it goes on; keeps the plans it opened last.

    Every method raises JournalError when the journal is damaged.
    """

    def __init__(self) -> None:
        self._index = RunIndex()
        self._opened: dict[int, ConsolidatedPlan] = {}

    def learn(self, view: RunView) -> bool:
        """Read a piece of what the run has told since, of who shared what; True while there is more."""
        return self._index.extend(view)

    def path(self, view: RunView, row: QueryIndex) -> QueryPath | None:
        """A row's path as far as it is known, or None for a row that is not planned."""
        windows = tuple(self._index.windows_of(row))
        if not windows:
            return None
        shares = [each for window in windows[1:] for each in self._shares(view, window, row)]
        plan, position = self._place(view, windows[0], row)
        shares += self._shares(view, windows[0], row)
        query = plan.queries[position]
        return QueryPath(
            index=row,
            id=query.id,
            workflow=query.workflow,
            inputs=query.bindings,
            steps=tuple(steps_of(plan, position, lambda node: _outcome(view, node), dict(shares))),
            result=view.query(row),
        )

    def _shares(self, view: RunView, window: int, row: QueryIndex) -> Iterator[tuple[ContentKey, Share]]:
        """What the events told of a row's nodes, as one window numbers them."""
        plan, position = self._place(view, window, row)
        for node in plan.nodes:
            if any(query == position for query, _operator in node.members):
                leader = self._index.leader(window, node.id)
                if leader is not None:
                    yield node.key, self._led(view, window, leader)
                elif self._index.is_cached(window, node.id):
                    yield node.key, Share(from_cache=True)

    def _led(self, view: RunView, window: int, leader: NodeId) -> Share:
        """A share of the work of another node, which may be of another window."""
        found = self._index.window_of(window, leader)
        if found is None:
            return Share(leader)
        plan = self._plan(view, found)
        node = plan.nodes[leader - plan.first_node]
        return Share(leader, len(node.members), first_rows(plan, node))

    def _place(self, view: RunView, window: int, row: QueryIndex) -> tuple[ConsolidatedPlan, int]:
        plan = self._plan(view, window)
        return plan, next(at for at, query in enumerate(plan.queries) if query.index == row)

    def _plan(self, view: RunView, window: int) -> ConsolidatedPlan:
        plan = self._opened.pop(window, None) or next(view.plans(window)).plan.consolidated
        self._opened[window] = plan  # the one used last stands last
        for old in tuple(self._opened)[:-_PLANS_KEPT]:
            del self._opened[old]
        return plan


def find_paths(view: RunView, name: str) -> tuple[QueryPath, ...]:
    """Paths of the queries called `name`: an id, or `#N` for the row with index N.

    Ids need not be unique. Raises InputError when the run has no such query, and JournalError.
    """
    reader = PathReader()
    while reader.learn(view):
        pass
    paths = tuple(path for row in _rows(view, name) if (path := reader.path(view, row)) is not None)
    if not paths:
        raise InputError(
            f"the run has no query {name!r} in the windows planned so far",
            fix="name a row by its id, or by its index from 0 as #N",
        )
    return paths


def _rows(view: RunView, name: str) -> tuple[QueryIndex, ...]:
    """Rows of that name, each once, as they were planned."""
    if name.startswith("#") and name[1:].isdigit():
        return (QueryIndex(int(name[1:])),)
    found = (query.index for plan in view.plan_outlines() for query in plan.queries if query.id == name)
    return tuple(dict.fromkeys(found))


def _outcome(view: RunView, node: PlanNode) -> NodeOutcome | None:
    record = view.node(node.key)
    return None if record is None else record.outcome
