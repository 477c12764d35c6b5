"""What a run consists of, for front ends: operators, edges, epochs and their placement, without any plan."""

from __future__ import annotations

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import CostEstimate
from engine.ir.ids import ModelName, OperatorId, Record, WorkerId
from engine.ir.logical import LlmOperator, Operator, depends_on
from engine.ir.physical import Assignment, PhysicalPlan, epoch_span


class OperatorShape(Record, frozen=True, kw_only=True):
    """One operator. `kind` is "llm" or the kind of tool; `model` is None for tools.

    `dropped`: nothing reads it, so it is not carried out. `iteration` is set inside a loop.
    """

    id: OperatorId
    workflow: str
    kind: str
    model: ModelName | None = None
    iteration: int | None = None
    dropped: bool = False


class Edge(Record, frozen=True, kw_only=True):
    """`target` reads what `source` produces."""

    source: OperatorId
    target: OperatorId


class PlacedWork(Record, frozen=True, kw_only=True):
    """An assignment of the plan: so many nodes of an operator on a worker, and what they should take."""

    worker: WorkerId
    model: ModelName
    operator: OperatorId
    nodes: int
    estimate: CostEstimate = CostEstimate()


class EpochShape(Record, frozen=True, kw_only=True):
    """An epoch, numbered through all windows as in events. `window` counts from 0."""

    index: int
    window: int
    work: tuple[PlacedWork, ...]
    prepare: tuple[OperatorId, ...] = ()
    estimate: CostEstimate = CostEstimate()


class RunShape(Record, frozen=True, kw_only=True):
    """Operators in topological order, edges, and the epochs of the windows planned so far."""

    operators: tuple[OperatorShape, ...] = ()
    edges: tuple[Edge, ...] = ()
    epochs: tuple[EpochShape, ...] = ()
    windows: int = 0
    next_epoch: int = 0


def extend_shape(shape: RunShape, plan: PhysicalPlan) -> RunShape:
    """The shape with one more window; operators keep the place they have."""
    known = {operator.id for operator in shape.operators}
    added = tuple(o for o in _operators(plan.consolidated) if o.id not in known)
    edges = _edges(plan.consolidated, {o.id for o in added})
    epochs = tuple(
        EpochShape(
            index=shape.next_epoch + epoch.index,
            window=shape.windows,
            work=tuple(map(_placed, epoch.assignments)),
            prepare=epoch.prepare,
            estimate=epoch.estimate,
        )
        for epoch in plan.epochs
    )
    return RunShape(
        operators=shape.operators + added,
        edges=shape.edges + edges,
        epochs=shape.epochs + epochs,
        windows=shape.windows + 1,
        next_epoch=shape.next_epoch + epoch_span(plan),
    )


def _operators(plan: ConsolidatedPlan) -> tuple[OperatorShape, ...]:
    dropped = frozenset(plan.dropped)
    return tuple(_operator(operator, i in dropped) for i, operator in enumerate(plan.operators))


def _operator(operator: Operator, dropped: bool) -> OperatorShape:
    kind, model = ("llm", operator.model) if isinstance(operator, LlmOperator) else (operator.tool, None)
    return OperatorShape(
        id=operator.id,
        workflow=operator.id.partition("/")[0],
        kind=kind,
        model=model,
        iteration=operator.iteration,
        dropped=dropped,
    )


def _edges(plan: ConsolidatedPlan, targets: set[OperatorId]) -> tuple[Edge, ...]:
    return tuple(
        Edge(source=source, target=operator.id)
        for operator in plan.operators
        if operator.id in targets
        for source in depends_on(operator)
    )


def _placed(assignment: Assignment) -> PlacedWork:
    return PlacedWork(
        worker=assignment.worker,
        model=assignment.model,
        operator=assignment.operator,
        nodes=len(assignment.nodes),
        estimate=assignment.estimate,
    )
