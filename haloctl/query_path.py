"""A query's path through a run, put together from the journal: prompts, results, timings, sharing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import HaloError, InputError
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.event import NodeCoalesced, NodeCompleted
from engine.ir.ids import Json, NodeId, OperatorId, QueryIndex, Record
from engine.ir.logical import LlmOperator, Operator
from engine.ir.request import Message
from engine.ir.result import Completed, Failed, Failure, NodeOutcome, Provenance, QueryResult, Skipped, Usage
from engine.journal.view import RunView
from engine.templating import build_scope, render_arguments, render_prompt


class Step(Record, frozen=True, kw_only=True):
    """One operator for one query. Times are seconds since the run started.

    `shared_with` counts the other (query, operator) pairs served by the same execution; `leader` is the
    node that did the work when this one was coalesced at run time.
    """

    operator: OperatorId
    node: NodeId
    status: str
    messages: tuple[Message, ...] = ()
    arguments: dict[str, Json] | None = None
    value: Json = None
    text: str | None = None
    failure: Failure | None = None
    reason: str | None = None
    usage: Usage | None = None
    provenance: Provenance | None = None
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


def find_paths(view: RunView, name: str) -> tuple[QueryPath, ...]:
    """Paths of the queries called `name`: an id, or `#N` for the row with index N.

    Ids need not be unique. Raises InputError when the run has no such query.
    """
    index = int(name[1:]) if name.startswith("#") and name[1:].isdigit() else None
    paths = tuple(_paths(view, name, index))
    if not paths:
        raise InputError(
            f"the run has no query {name!r} in the windows planned so far",
            fix="name a row by its id, or by its index from 0 as #N",
        )
    return paths


def _paths(view: RunView, name: str, index: int | None) -> Iterator[QueryPath]:
    leaders = {event.node: event for event in view.events() if isinstance(event, NodeCoalesced)}
    cached = {e.node for e in view.events() if isinstance(e, NodeCompleted) and e.from_cache}
    seen: set[QueryIndex] = set()
    for record in view.plans():
        plan = record.plan.consolidated
        for position, query in enumerate(plan.queries):
            wanted = query.index == index if index is not None else query.id == name
            if wanted and query.index not in seen:
                seen.add(query.index)
                steps = _steps(view, plan, position, leaders, cached)
                yield QueryPath(
                    index=query.index,
                    id=query.id,
                    workflow=query.workflow,
                    inputs=query.bindings,
                    steps=tuple(steps),
                    result=view.query(query.index),
                )


def _steps(
    view: RunView,
    plan: ConsolidatedPlan,
    position: int,
    leaders: Mapping[NodeId, NodeCoalesced],
    cached: set[NodeId],
) -> Iterator[Step]:
    values: dict[OperatorId, Json] = {}
    for node in plan.nodes:
        mine = [operator for query, operator in node.members if query == position]
        for at in mine:
            operator = plan.operators[at]
            record = view.node(node.key)
            outcome = None if record is None else record.outcome
            shared = _shared(node, leaders.get(node.id))
            yield _step(plan, position, operator, node, outcome, values, shared, cached)
            if isinstance(outcome, Completed):
                values[operator.id] = outcome.value


def _shared(node: PlanNode, coalesced: NodeCoalesced | None) -> tuple[int, NodeId | None]:
    return len(node.members) - 1, None if coalesced is None else coalesced.leader


def _step(
    plan: ConsolidatedPlan,
    position: int,
    operator: Operator,
    node: PlanNode,
    outcome: NodeOutcome | None,
    values: Mapping[OperatorId, Json],
    shared: tuple[int, NodeId | None],
    cached: set[NodeId],
) -> Step:
    work = {} if isinstance(outcome, Skipped) else _work(plan, position, operator, values)
    facts: dict[str, Json] = {"status": "pending"}
    match outcome:
        case Completed():
            facts = {
                "status": "completed",
                "value": outcome.value,
                "text": outcome.text,
                "usage": outcome.usage,
                "provenance": outcome.provenance,
                "started_s": outcome.started_s,
                "finished_s": outcome.finished_s,
                "attempts": outcome.attempts,
                "from_cache": node.id in cached,
            }
        case Failed(failure=failure):
            facts = {"status": "failed", "failure": failure, "attempts": failure.attempts}
        case Skipped(reason=reason):
            facts = {"status": "skipped", "reason": reason}
        case None:
            pass
    return Step(operator=operator.id, node=node.id, shared_with=shared[0], leader=shared[1], **work, **facts)


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
