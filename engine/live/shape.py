"""What a run consists of, for front ends: operators, edges, epochs and their placement, without any plan."""

from __future__ import annotations

from msgspec.structs import replace

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import CostEstimate
from engine.ir.ids import ModelName, OperatorId, Record, WorkerId
from engine.ir.logical import LlmOperator, Operator, depends_on
from engine.ir.physical import Assignment, Epoch, PhysicalPlan, epoch_span


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


class WindowShape(Record, frozen=True, kw_only=True):
    """What one window's plan adds; its epochs are numbered from 0 and take `epoch_span` numbers."""

    operators: tuple[OperatorShape, ...]
    edges: tuple[Edge, ...]
    epochs: tuple[EpochShape, ...]
    epoch_span: int


def window_shape(plan: PhysicalPlan) -> WindowShape:
    """A plan as front ends see it."""
    return WindowShape(
        operators=_operators(plan.consolidated),
        edges=_edges(plan.consolidated),
        epochs=tuple(map(_epoch, plan.epochs)),
        epoch_span=epoch_span(plan),
    )


def extend_shape(shape: RunShape, window: WindowShape | None) -> RunShape:
    """The shape with one more window, None for one whose plan is not known; operators keep their place."""
    if window is None:
        return replace(shape, windows=shape.windows + 1)
    known = {operator.id for operator in shape.operators}
    epochs = tuple(
        replace(epoch, index=shape.next_epoch + epoch.index, window=shape.windows) for epoch in window.epochs
    )
    return RunShape(
        operators=shape.operators + tuple(o for o in window.operators if o.id not in known),
        edges=shape.edges + tuple(edge for edge in window.edges if edge.target not in known),
        epochs=shape.epochs + epochs,
        windows=shape.windows + 1,
        next_epoch=shape.next_epoch + window.epoch_span,
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


def _edges(plan: ConsolidatedPlan) -> tuple[Edge, ...]:
    return tuple(
        Edge(source=source, target=operator.id)
        for operator in plan.operators
        for source in depends_on(operator)
    )


def _epoch(epoch: Epoch) -> EpochShape:
    return EpochShape(
        index=epoch.index,
        window=0,
        work=tuple(map(_placed, epoch.assignments)),
        prepare=epoch.prepare,
        estimate=epoch.estimate,
    )


def _placed(assignment: Assignment) -> PlacedWork:
    return PlacedWork(
        worker=assignment.worker,
        model=assignment.model,
        operator=assignment.operator,
        nodes=len(assignment.nodes),
        estimate=assignment.estimate,
    )
