"""A query's path through a run, read from the journal: what went in, every step, what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.errors import InputError
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import ContentKey, Json, NodeId, QueryIndex, Record
from engine.ir.result import UPSTREAM_FAILED, NodeOutcome, QueryResult, RowStatus
from engine.journal.view import RunView
from haloctl.moment import FailedThen, Moment, outcome_then
from haloctl.path_steps import ALONE, Share, Step, steps_of
from haloctl.run_index import RunIndex
from haloctl.shared_rows import first_rows

_PLANS_KEPT: Final = 2
"""A row's own, and one that holds a node which did its work."""


class QueryPath(Record, frozen=True, kw_only=True):
    """A row of the output, the row of the input, and every step between. `is_current`: the steps' nodes are
    numbered as those of the attempt that is looked at.
    """

    index: QueryIndex
    id: str
    workflow: str
    inputs: dict[str, Json]
    steps: tuple[Step, ...]
    result: QueryResult | None
    is_current: bool = True


class _Known(NamedTuple):
    """What the events told of a settled node."""

    share: Share
    failed: FailedThen | None


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

    def path(
        self,
        view: RunView,
        row: QueryIndex,
        moment: Moment | None = None,
        finished: RowStatus | None = None,
    ) -> QueryPath | None:
        """A row's path as far as it is known, or None for a row that is not planned.

        At a `moment` nothing is told of what was settled later; `finished` says how the row had ended then.
        """
        windows = self._windows(row, moment)
        if not windows:
            return None
        known = self._known(view, windows, row, moment)
        plan, position = self._place(view, windows[0], row)
        query = plan.queries[position]
        shares = {key: each.share for key, each in known.items()}
        settled = None if moment is None else known
        path = QueryPath(
            index=row,
            id=query.id,
            workflow=query.workflow,
            inputs=query.bindings,
            steps=tuple(steps_of(plan, position, lambda node: _outcome(view, node, settled), shares)),
            result=view.query(row),
            is_current=self._index.is_current(windows[0], moment),
        )
        return path if moment is None else replace(path, result=_result_then(path, finished))

    def _windows(self, row: QueryIndex, moment: Moment | None) -> tuple[int, ...]:
        """Those that hold a row, as far as they were planned then, the newest first."""
        windows = tuple(self._index.windows_of(row))
        if moment is None:
            return windows
        planned = frozenset(self._index.planned_by(moment))
        return tuple(window for window in windows if window in planned)

    def _known(
        self, view: RunView, windows: tuple[int, ...], row: QueryIndex, moment: Moment | None
    ) -> dict[ContentKey, _Known]:
        """What the events told of a row's nodes that are settled, or were at a moment.

        Each of its windows numbers them in its own way. What an earlier one than the newest says of a failure
        is out of date: it was taken back.
        """
        until = None if moment is None else self._index.settled_by(moment)
        known: dict[ContentKey, _Known] = {}
        for window in reversed(windows):
            plan, position = self._place(view, window, row)
            for node in plan.nodes:
                place, failed = self._index.place(window, node.id), self._index.failed(window, node.id)
                if place is None or (until is not None and place >= until):
                    continue
                if failed is not None and window != windows[0]:
                    continue
                if any(query == position for query, _operator in node.members):
                    share = self._share(view, window, node.id)
                    before = known.get(node.key)
                    told = share if before is None or share != ALONE else before.share
                    known[node.key] = _Known(told, failed)
        return known

    def _share(self, view: RunView, window: int, node: NodeId) -> Share:
        """Where a node's value came from. The node that did its work may be of another window."""
        leader = self._index.leader(window, node)
        if leader is None:
            cached = self._index.is_cached(window, node)
            return Share(from_cache=cached, timed=not cached)
        found = self._index.window_of(window, leader)
        if found is None:
            return Share(leader)
        plan = self._plan(view, found)
        at = plan.nodes[leader - plan.first_node]
        timed = not self._index.is_cached(found, leader)
        return Share(leader, len(at.members), first_rows(plan, at), timed=timed)

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


def _outcome(
    view: RunView, node: PlanNode, settled: Mapping[ContentKey, _Known] | None
) -> NodeOutcome | None:
    """What has come of a node, or had when only some were settled."""
    known = None if settled is None else settled.get(node.key)
    if settled is not None and known is None:
        return None
    record = view.node(node.key)
    return outcome_then(None if record is None else record.outcome, None if known is None else known.failed)


def _result_then(path: QueryPath, finished: RowStatus | None) -> QueryResult | None:
    """A row's result at a moment when it had ended so. It may have failed then, and been run again since."""
    kept = path.result
    if finished is None or (kept is not None and kept.status == finished):
        return None if finished is None else kept
    failures = [step.failure for step in path.steps if step.failure is not None]
    causes = [failure for failure in failures if failure.code != UPSTREAM_FAILED]
    return QueryResult(
        index=path.index,
        id=path.id,
        workflow=path.workflow,
        status=finished,
        error=next(iter([*causes, *failures]), None),
    )
