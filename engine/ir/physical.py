"""The physical plan: where and when. The seam between planner and processor."""

from __future__ import annotations

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import CostEstimate
from engine.ir.ids import ModelName, NodeId, OperatorId, Record, WorkerId


class Assignment(Record, frozen=True, kw_only=True):
    """An LLM operator's nodes on one worker, in prefix order. Several may share an operator (shards)."""

    worker: WorkerId
    model: ModelName
    operator: OperatorId
    nodes: tuple[NodeId, ...]
    estimate: CostEstimate = CostEstimate()


class Epoch(Record, frozen=True, kw_only=True):
    """Assignments that may run side by side, and tool operators to prepare on the CPU meanwhile.

    A priority, not a barrier: the processor starts a ready node early when a worker is free.
    """

    index: int
    assignments: tuple[Assignment, ...]
    prepare: tuple[OperatorId, ...] = ()
    estimate: CostEstimate = CostEstimate()


class PhysicalPlan(Record, frozen=True, kw_only=True):
    """One window of a batch, placed. Self-contained: it can be stored, diffed and replayed."""

    consolidated: ConsolidatedPlan
    epochs: tuple[Epoch, ...]
    estimate: CostEstimate
    planner: str
    """Name of the scheduler that made it: epoch_dp, greedy, round_robin, …"""
    digest: str = ""


def epoch_span(plan: PhysicalPlan) -> int:
    """How many numbers a window's epochs take when those of all windows are numbered through; at least 1."""
    return max((epoch.index for epoch in plan.epochs), default=0) + 1
