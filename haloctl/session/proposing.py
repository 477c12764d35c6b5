"""From a checked batch to its proposal: the first window is planned, nothing is run."""

from __future__ import annotations

from engine.ir.cost import Profiles
from engine.ir.logical import LlmOperator, Operator
from engine.ir.physical import PhysicalPlan
from engine.optimizer.explain import explain
from haloctl.compose import Prepared, Warm, plan_first_window
from haloctl.session.proposal import OperatorWork, Proposal

FAULTS_SHOWN = 3


def propose(prepared: Prepared, number: int, warm: Warm) -> Proposal:
    """Plan the first window. Raises InputError, PlanError."""
    plan = plan_first_window(prepared, warm)
    profiles = prepared.knowledge.profiles()
    consolidated, options = plan.consolidated, prepared.request.options
    rows = len(consolidated.queries) + len(consolidated.rejected)
    return Proposal(
        number=number,
        workflows=tuple(workflow.plan.workflow for workflow in prepared.workflows),
        queries=len(consolidated.queries),
        rejected=len(consolidated.rejected),
        faults=tuple(
            f"row {row.index}: {row.failure.message}" for row in consolidated.rejected[:FAULTS_SHOWN]
        ),
        windowed=rows >= options.window_queries,
        operators=_works(plan),
        epochs=len(plan.epochs),
        model_loads=plan.estimate.model_loads,
        estimate_s=plan.estimate.makespan_s,
        measured=_measured(profiles),
        workers=tuple(spec.id for spec in prepared.fleet.workers),
        warm=tuple((w, m) for w, models in (warm.resident or {}).items() for m in models),
        output=prepared.request.target.path,
        explained=explain(plan, profiles, options.mechanisms),
    )


def _works(plan: PhysicalPlan) -> tuple[OperatorWork, ...]:
    consolidated = plan.consolidated
    calls, distinct = [0] * len(consolidated.operators), [0] * len(consolidated.operators)
    for node in consolidated.nodes:
        distinct[node.operator] += 1
        for _query, position in node.members:
            calls[position] += 1
    return tuple(
        OperatorWork(
            operator=operator.id,
            kind=_kind(operator),
            runs_on=operator.model if isinstance(operator, LlmOperator) else operator.tool,
            calls=calls[position],
            distinct=distinct[position],
        )
        for position, operator in enumerate(consolidated.operators)
        if position not in consolidated.dropped
    )


def _kind(operator: Operator) -> str:
    return "llm" if isinstance(operator, LlmOperator) else operator.tool


def _measured(profiles: Profiles) -> bool:
    return all(model.measured for worker in profiles.workers for model in worker.models)
