"""Windows of queries to physical plans, one after another, with what the workers will hold in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from engine.ir.batch import Batch
from engine.ir.cost import Profiles
from engine.ir.ids import ModelName, QueryIndex, WorkerId
from engine.ir.logical import LogicalPlan
from engine.ir.options import Mechanisms
from engine.ir.physical import PhysicalPlan
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan


@dataclass
class NodeNumbers:
    """Which number the next window's first node has: nodes of all windows are numbered through."""

    next: int = 0

    def take(self, plan: PhysicalPlan) -> None:
        """A window was planned from `next` on."""
        self.next += len(plan.consolidated.nodes)


@dataclass(frozen=True)
class Planner:
    """All that planning a window needs. `profiles` is asked anew for each window: it learns while running."""

    workflows: tuple[LogicalPlan, ...]
    profiles: Callable[[], Profiles]
    mechanisms: Mechanisms
    digests: Mapping[ModelName, str]
    count_tokens: Callable[[str], int] | None = None

    def windows(
        self,
        batches: Iterable[Batch],
        finished: Callable[[QueryIndex], bool] = lambda _index: False,
        prior: Mapping[WorkerId, tuple[ModelName, ...]] | None = None,
        numbers: NodeNumbers | None = None,
    ) -> Iterator[PhysicalPlan]:
        """A plan for each batch; rows already finished are left out, and batches without any other.

        `prior`: models the workers hold before the first, least recently used first. `numbers` is shared
        with whoever else plans windows of the run.
        """
        numbers = numbers or NodeNumbers()
        for batch in batches:
            batch = _unfinished(batch, finished)
            if not batch.queries and not batch.rejected:
                continue
            plan = self.plan(batch, first_node=numbers.next, prior=prior)
            numbers.take(plan)
            prior = _resident_after(plan, prior or {})
            yield plan

    def plan(
        self,
        batch: Batch,
        *,
        first_node: int = 0,
        prior: Mapping[WorkerId, tuple[ModelName, ...]] | None = None,
    ) -> PhysicalPlan:
        """The plan of one batch. Raises PlanError when it cannot be carried out."""
        consolidated = consolidate(
            self.workflows,
            batch,
            first_node=first_node,
            merge=self.mechanisms.merge,
            digests=self.digests,
            count_tokens=self.count_tokens,
        )
        return make_plan(consolidated, self.profiles(), self.mechanisms, prior=prior)


def _unfinished(batch: Batch, finished: Callable[[QueryIndex], bool]) -> Batch:
    return msgspec.structs.replace(
        batch,
        queries=tuple(query for query in batch.queries if not finished(query.index)),
        rejected=tuple(row for row in batch.rejected if not finished(row.index)),
    )


def _resident_after(
    plan: PhysicalPlan, before: Mapping[WorkerId, tuple[ModelName, ...]]
) -> dict[WorkerId, tuple[ModelName, ...]]:
    """The models each worker used, latest last. Which of them still fit is the planner's to say."""
    used: dict[WorkerId, tuple[ModelName, ...]] = dict(before)
    for epoch in plan.epochs:
        for assignment in epoch.assignments:
            held = used.get(assignment.worker, ())
            others = tuple(model for model in held if model != assignment.model)
            used[assignment.worker] = (*others, assignment.model)
    return used
