"""A query's steps, put together from a plan and from outcomes: prompts, results, timings, sharing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from engine.errors import HaloError
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import ContentKey, Json, NodeId, OperatorId, Record, WorkerId
from engine.ir.logical import LlmOperator, Operator
from engine.ir.request import Message
from engine.ir.result import (
    UPSTREAM_FAILED,
    Completed,
    Failed,
    Failure,
    NodeOutcome,
    Provenance,
    Skipped,
    Usage,
)
from engine.templating import build_scope, render_arguments, render_prompt
from haloctl.shared_rows import SharedRow, first_rows, rows_words

TOLD_WAIT_S: Final = 0.05
"""Waits for a slot shorter than this are not worth a word."""


class Step(Record, frozen=True, kw_only=True):
    """One operator for one query. Times are seconds since the run started.

    `shared_with` counts the other (query, operator) pairs served by the same execution, `shared_rows` are the
    first of them. `leader` is the node that did the work when this one was coalesced at run time, for
    `leader_serves` pairs of its own, `leader_rows` first. `sent`: whether anything was asked, by this step or
    by the one that did its work; None where the journal does not tell yet. From `started_s` on a generation
    waited `waited_s` in its worker for a slot.
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
    waited_s: float = 0.0
    finished_s: float | None = None
    attempts: int = 0
    shared_with: int = 0
    shared_rows: tuple[SharedRow, ...] = ()
    leader: NodeId | None = None
    leader_serves: int = 0
    leader_rows: tuple[SharedRow, ...] = ()
    from_cache: bool = False

    @property
    def took_s(self) -> float | None:
        """Of the work itself, without the wait for a slot; None while it is not over."""
        if self.started_s is None or self.finished_s is None:
            return None
        return max(0.0, self.finished_s - self.started_s - self.waited_s)


class Share(NamedTuple):
    """Where a node's value came from, if not from its own work. `timed`: that work was done in this run."""

    leader: NodeId | None = None
    leader_serves: int = 0
    leader_rows: tuple[SharedRow, ...] = ()
    from_cache: bool = False
    timed: bool = True


ALONE = Share()
"""Of a node that did its own work."""
_UNSENT = frozenset({"cancelled", "template_error", UPSTREAM_FAILED})
"""Codes of failures before anything was asked, unless an attempt has a time."""


def served_words(step: Step) -> str:
    """Whom else the call of a step served: `2 others: #5 q05, #9 q09`."""
    others = "1 other" if step.shared_with == 1 else f"{step.shared_with:,} others"
    return f"{others}: {rows_words(step.shared_rows, step.shared_with, step.operator)}"


def leader_words(step: Step) -> str:
    """Whose work a coalesced step took; by the number of the node alone where its rows are not known yet."""
    rows = rows_words(step.leader_rows, step.leader_serves, step.operator)
    return f"the same work as {f'for {rows}' if rows else f'node {step.leader}'}, done once"


def unsent_words(step: Step) -> str:
    """Why nothing was asked for a step; nothing for one that was sent or skipped, or may have been."""
    if step.sent is not False or step.status == "skipped":
        return ""
    if step.failure is None:
        return "not sent: it waits for what it reads"
    return "not sent: what it reads failed" if step.failure.code == UPSTREAM_FAILED else "not sent"


def steps_of(
    plan: ConsolidatedPlan,
    position: int,
    outcome_of: Callable[[PlanNode], NodeOutcome | None],
    shares: Mapping[ContentKey, Share],
) -> Iterator[Step]:
    """The steps of the query at `position` of a plan, as far as outcomes are known."""
    values: dict[OperatorId, Json] = {}
    missing: set[OperatorId] = set()
    for node in plan.nodes:
        mine = [operator for query, operator in node.members if query == position]
        for at in mine:
            operator = plan.operators[at]
            outcome = outcome_of(node)
            sent = _was_sent(operator, outcome, missing)
            work: dict[str, Any] = {} if sent is False else _work(plan, position, operator, values)
            work["shared_rows"] = first_rows(plan, node, (position, at))
            yield _step(operator, node, outcome, shares.get(node.key, ALONE), sent=sent, **work)
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


def _step(operator: Operator, node: PlanNode, outcome: NodeOutcome | None, share: Share, **work: Any) -> Step:
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
                "started_s": outcome.started_s if share.timed else None,
                "waited_s": outcome.waited_s if share.timed else 0.0,
                "finished_s": outcome.finished_s if share.timed else None,
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
    return Step(
        operator=operator.id,
        node=node.id,
        shared_with=len(node.members) - 1,
        leader=share.leader,
        leader_serves=share.leader_serves,
        leader_rows=share.leader_rows,
        **work,
        **facts,
    )


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
