"""A query's path through a run, put together from the journal: prompts, results, timings, sharing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from engine.errors import HaloError, InputError
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import ContentKey, Json, NodeId, OperatorId, QueryIndex, Record, WorkerId
from engine.ir.logical import LlmOperator, Operator
from engine.ir.request import Message
from engine.ir.result import (
    UPSTREAM_FAILED,
    Completed,
    Failed,
    Failure,
    NodeOutcome,
    Provenance,
    QueryResult,
    Skipped,
    Usage,
)
from engine.journal.view import RunView
from engine.templating import build_scope, render_arguments, render_prompt
from haloctl.run_index import RunIndex


class Step(Record, frozen=True, kw_only=True):
    """One operator for one query. Times are seconds since the run started.

    `shared_with` counts the other (query, operator) pairs served by the same execution; `leader` is the
    node that did the work when this one was coalesced at run time. `sent`: whether anything was asked, by
    this step or by the one that did its work; None where the journal does not tell yet.
    """

    operator: OperatorId
    node: NodeId
    status: str
    sent: bool | None = None
    messages: tuple[Message, ...] = ()
    arguments: dict[str, Json] | None = None
    value: Json = None
    text: str | None = None
    failure: Failure | None = None
    reason: str | None = None
    usage: Usage | None = None
    provenance: Provenance | None = None
    worker: WorkerId | None = None
    started_s: float | None = None
    finished_s: float | None = None
    attempts: int = 0
    shared_with: int = 0
    leader: NodeId | None = None
    from_cache: bool = False


class QueryPath(Record, frozen=True, kw_only=True):
    """A row of the output, the row of the input, and every step between."""

    index: QueryIndex
    id: str
    workflow: str
    inputs: dict[str, Json]
    steps: tuple[Step, ...]
    result: QueryResult | None


class _Share(NamedTuple):
    """Where a node's value came from, if not from its own work."""

    leader: NodeId | None = None
    from_cache: bool = False


_ALONE = _Share()
_UNSENT = frozenset({"cancelled", "template_error", UPSTREAM_FAILED})
"""Codes of failures before anything was asked, unless an attempt has a time."""


class PathReader:
    """Paths through one run, read again and again while it goes on; keeps the plan it opened last.

    Every method raises JournalError when the journal is damaged.
    """

    def __init__(self) -> None:
        self._index = RunIndex()
        self._opened: tuple[int, ConsolidatedPlan] | None = None

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
            steps=tuple(_steps(view, plan, position, dict(shares))),
            result=view.query(row),
        )

    def _shares(self, view: RunView, window: int, row: QueryIndex) -> Iterator[tuple[ContentKey, _Share]]:
        """What the events told of a row's nodes, as one window numbers them."""
        plan, position = self._place(view, window, row)
        for node in plan.nodes:
            if any(query == position for query, _operator in node.members):
                share = _Share(self._index.leader(window, node.id), self._index.is_cached(window, node.id))
                if share.leader is not None or share.from_cache:
                    yield node.key, share

    def _place(self, view: RunView, window: int, row: QueryIndex) -> tuple[ConsolidatedPlan, int]:
        if self._opened is None or self._opened[0] != window:
            self._opened = window, next(view.plans(window)).plan.consolidated
        plan = self._opened[1]
        return plan, next(at for at, query in enumerate(plan.queries) if query.index == row)


def unsent_words(step: Step) -> str:
    """Why nothing was asked for a step; nothing for one that was sent or skipped, or may have been."""
    if step.sent is not False or step.status == "skipped":
        return ""
    if step.failure is None:
        return "not sent: it waits for what it reads"
    return "not sent: what it reads failed" if step.failure.code == UPSTREAM_FAILED else "not sent"


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


def _steps(
    view: RunView, plan: ConsolidatedPlan, position: int, shares: Mapping[ContentKey, _Share]
) -> Iterator[Step]:
    values: dict[OperatorId, Json] = {}
    missing: set[OperatorId] = set()
    for node in plan.nodes:
        mine = [operator for query, operator in node.members if query == position]
        for at in mine:
            operator = plan.operators[at]
            record = view.node(node.key)
            outcome = None if record is None else record.outcome
            sent = _was_sent(operator, outcome, missing)
            work = {} if sent is False else _work(plan, position, operator, values)
            yield _step(operator, node, outcome, shares.get(node.key, _ALONE), sent=sent, **work)
            if isinstance(outcome, Completed):
                values[operator.id] = outcome.value
            elif not isinstance(outcome, Skipped):
                missing.add(operator.id)


def _was_sent(
    operator: Operator, outcome: NodeOutcome | None, missing: Collection[OperatorId]
) -> bool | None:
    """Whether an operator's work was asked for. What it reads and is `missing` holds it back."""
    match outcome:
        case Completed():
            return True
        case Skipped():
            return False
        case Failed(failure=failure, started_s=started_s):
            return started_s is not None or failure.code not in _UNSENT
        case None:
            held = any(source in missing for binding in operator.bindings for source in binding.sources)
            return False if held else None


def _step(
    operator: Operator, node: PlanNode, outcome: NodeOutcome | None, share: _Share, **work: Json
) -> Step:
    facts: dict[str, Json] = {"status": "pending"}
    match outcome:
        case Completed():
            facts = {
                "status": "completed",
                "value": outcome.value,
                "text": outcome.text,
                "usage": outcome.usage,
                "provenance": outcome.provenance,
                "worker": None if outcome.provenance is None else outcome.provenance.worker,
                "started_s": outcome.started_s,
                "finished_s": outcome.finished_s,
                "attempts": outcome.attempts,
                "from_cache": share.from_cache,
            }
        case Failed(failure=failure):
            facts = {
                "status": "failed",
                "failure": failure,
                "worker": outcome.worker,
                "started_s": outcome.started_s,
                "finished_s": outcome.finished_s,
                "attempts": failure.attempts,
            }
        case Skipped(reason=reason):
            facts = {"status": "skipped", "reason": reason}
        case None:
            pass
    others = len(node.members) - 1
    return Step(operator=operator.id, node=node.id, shared_with=others, leader=share.leader, **work, **facts)


def _work(
    plan: ConsolidatedPlan, position: int, operator: Operator, values: Mapping[OperatorId, Json]
) -> dict[str, Json]:
    """The prompt or the arguments, rendered again from what the journal holds; empty if that fails."""
    try:
        scope = build_scope(operator, plan.queries[position], values)
        if isinstance(operator, LlmOperator):
            return {"messages": render_prompt(operator, scope)}
        return {"arguments": render_arguments(operator, scope)}
    except HaloError:
        return {}
