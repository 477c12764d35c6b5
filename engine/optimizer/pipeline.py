"""From consolidated work to a physical plan: rules, scheduler, placement, estimate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from engine.errors import PlanError
from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import CostEstimate, Profiles
from engine.ir.ids import ModelName, NodeId, OperatorId, WorkerId
from engine.ir.keys import content_key
from engine.ir.logical import LlmOperator
from engine.ir.options import Mechanisms
from engine.ir.physical import Assignment, Epoch, PhysicalPlan


def make_plan(
    consolidated: ConsolidatedPlan,
    profiles: Profiles,
    mechanisms: Mechanisms,
    *,
    prior: Mapping[WorkerId, tuple[ModelName, ...]] | None = None,
) -> PhysicalPlan:
    """Place `consolidated` on the workers of `profiles`.

    `prior` says which models the previous window leaves resident; without it `profiles.resident` counts.
    Raises PlanError when a model runs on no worker.
    """
    by_operator: dict[int, list[NodeId]] = defaultdict(list)
    for node in consolidated.nodes:
        by_operator[node.operator].append(node.id)
    epochs: list[Epoch] = []
    tools: list[OperatorId] = []
    for position, nodes in sorted(by_operator.items()):
        operator = consolidated.operators[position]
        if not isinstance(operator, LlmOperator):
            tools.append(operator.id)
            continue
        able = [w for w in profiles.workers if any(m.model == operator.model for m in w.models)]
        if not able:
            raise PlanError(f"no worker runs model {operator.model}, which {operator.id} calls")
        worker = able[len(epochs) % len(able)]
        assignment = Assignment(
            worker=worker.worker, model=operator.model, operator=operator.id, nodes=tuple(nodes)
        )
        epochs.append(Epoch(index=len(epochs), assignments=(assignment,), prepare=tuple(tools)))
        tools = []
    if tools:
        epochs.append(Epoch(index=len(epochs), assignments=(), prepare=tuple(tools)))
    plan = PhysicalPlan(
        consolidated=consolidated, epochs=tuple(epochs), estimate=CostEstimate(), planner="round_robin"
    )
    return msgspec.structs.replace(plan, digest=content_key(plan))
