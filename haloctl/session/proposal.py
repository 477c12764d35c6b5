"""What a batch would come to, as one value for a person to agree to: made from its plan, before it runs."""

from __future__ import annotations

from engine.ir.cost import Profiles
from engine.ir.ids import OperatorId, Record, WorkerId
from engine.ir.logical import LlmOperator, Operator
from engine.ir.physical import PhysicalPlan
from engine.optimizer.explain import explain
from haloctl.compose import Prepared, Warm, plan_first_window

FAULTS_SHOWN = 3


class OperatorWork(Record, frozen=True, kw_only=True):
    """One operator: its calls as asked for and as left after sharing. `runs_on`: a model or a tool kind."""

    operator: OperatorId
    kind: str
    runs_on: str
    calls: int
    distinct: int


class Proposal(Record, frozen=True, kw_only=True):
    """A planned batch that has not begun.

    `windowed` says that only the first window was planned and more rows may follow. `measured` is False where
    the seconds rest on guesses from models' sizes. `warm` are (worker, model) pairs that need no load.
    `explained` is the plan in words, as `haloctl plan` prints it.
    """

    number: int
    workflows: tuple[str, ...]
    queries: int
    rejected: int
    faults: tuple[str, ...]
    windowed: bool
    operators: tuple[OperatorWork, ...]
    epochs: int
    model_loads: int
    estimate_s: float
    measured: bool
    workers: tuple[WorkerId, ...]
    warm: tuple[tuple[str, str], ...]
    output: str
    explained: str

    @property
    def calls(self) -> int:
        """Calls asked for, row by row."""
        return sum(work.calls for work in self.operators)

    @property
    def distinct(self) -> int:
        """Calls that are left to make."""
        return sum(work.distinct for work in self.operators)


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
