"""From consolidated work to a physical plan: rules, scheduler, placement, estimate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import CostEstimate, Profiles
from engine.ir.ids import ModelName, OperatorId, WorkerId
from engine.ir.keys import content_key
from engine.ir.options import Mechanisms
from engine.ir.physical import Assignment, Epoch, PhysicalPlan
from engine.optimizer.problem import Problem, build_problem
from engine.optimizer.rules import apply_rules
from engine.optimizer.schedule import Placement, Schedule, Step, schedule_steps
from engine.optimizer.schedulers import SCHEDULERS, Scheduled, eager_epoch_dp, scheduler_named
from engine.optimizer.sequential import run_sequentially
from engine.optimizer.simulate import Simulation, Span, simulate, total

RIVALS = ("level", "greedy", "round_robin", "min_switch")
"""Schedulers whose simulated runs the dynamic program's has to stand up to."""

CHEAP_TRANSITIONS = 3_000
"""The program runs a second time, with another weight, only after a first run below this."""

MOST_COMPARED_NODES = 10_000
"""Above this, epochs are so long that overlap between them hardly matters, and simulating costs more."""

CLEARLY = 0.98
"""A rival has to be this much faster, so that equal plans keep the program's own."""


def make_plan(
    consolidated: ConsolidatedPlan,
    profiles: Profiles,
    mechanisms: Mechanisms,
    *,
    prior: Mapping[WorkerId, tuple[ModelName, ...]] | None = None,
) -> PhysicalPlan:
    """Place `consolidated` on the workers of `profiles`.

    `prior` says which models the previous window leaves resident, least recently used first; without it
    `profiles.resident` counts. Raises PlanError when a model runs on no worker or the scheduler is unknown.
    """
    plan = apply_rules(consolidated)
    problem = build_problem(
        plan, profiles, by_prefix=mechanisms.prefix_order, coalesce=mechanisms.coalesce, prior=prior
    )
    scheduled, run = _choose(problem, plan, mechanisms)
    steps = schedule_steps(problem, scheduled.schedule)
    physical = PhysicalPlan(
        consolidated=plan,
        epochs=_epochs(problem, scheduled.schedule, steps, run, mechanisms),
        estimate=_total_estimate(problem, scheduled.schedule, steps, run, mechanisms),
        planner=scheduled.planner,
    )
    return msgspec.structs.replace(physical, digest=content_key(physical))


def _choose(problem: Problem, plan: ConsolidatedPlan, mechanisms: Mechanisms) -> tuple[Scheduled, Simulation]:
    """The schedule of the scheduler asked for, and how its run would go.

    The dynamic program is optimal for epochs as barriers, but a run overlaps them. So its schedule is run in
    simulation beside one with another weight and the quick heuristics'; if one of those ends clearly earlier
    it is taken, and `planner` says so.
    """
    scheduled = scheduler_named(mechanisms.scheduler)(problem)
    run = estimate_run(problem, plan, scheduled.schedule, mechanisms)
    if mechanisms.scheduler != "epoch_dp" or mechanisms.row_by_row or not _worth_comparing(problem, plan):
        return scheduled, run
    for other in _rivals(problem, scheduled):
        other_run = estimate_run(problem, plan, other.schedule, mechanisms)
        if other_run.makespan_s < run.makespan_s * CLEARLY:
            scheduled, run = other, other_run
    return scheduled, run


def _rivals(problem: Problem, first: Scheduled) -> Iterator[Scheduled]:
    """Other schedules worth a simulation, named by how they came to be chosen."""
    if len(problem.workers) > 1 and first.transitions <= CHEAP_TRANSITIONS:
        yield eager_epoch_dp(problem)
    for name in RIVALS:
        yield dataclasses.replace(SCHEDULERS[name](problem), planner=f"epoch_dp(simulated: {name})")


def _worth_comparing(problem: Problem, plan: ConsolidatedPlan) -> bool:
    """Whether the window is small, and has more than one worker or models that have to take turns."""
    if len(plan.nodes) > MOST_COMPARED_NODES or not problem.workers:
        return False
    if len(problem.workers) > 1:
        return True
    sizes = {profile.model: profile.model_bytes for profile in problem.workers[0].models}
    return sum(sizes[model] for model in {w.model for w in problem.llms}) > problem.workers[0].memory_bytes


def estimate_run(
    problem: Problem, plan: ConsolidatedPlan, schedule: Schedule, mechanisms: Mechanisms
) -> Simulation:
    """How a run would go with these mechanisms."""
    if mechanisms.row_by_row:
        return run_sequentially(problem, len(schedule))
    return simulate(
        problem,
        plan,
        schedule,
        sharing=mechanisms.prefix_sharing,
        overlap_tools=mechanisms.overlap_tools,
        barriers=mechanisms.barriers,
    )


def _epochs(
    problem: Problem,
    schedule: Schedule,
    steps: tuple[tuple[Step, ...], ...],
    run: Simulation,
    mechanisms: Mechanisms,
) -> tuple[Epoch, ...]:
    """Epochs with their assignments; one without any when only tools have work."""
    prepare = _preparation(problem, schedule, early=mechanisms.overlap_tools)
    sharing = mechanisms.prefix_sharing
    epochs = tuple(
        Epoch(
            index=index,
            assignments=tuple(
                _assignment(problem, place, step, sharing)
                for place, step in zip(placements, steps[index], strict=True)
            ),
            prepare=prepare[index],
            estimate=_epoch_estimate(problem, placements, steps[index], run.epochs[index], sharing),
        )
        for index, placements in enumerate(schedule)
    )
    if not epochs and problem.tools:
        alone = CostEstimate(makespan_s=run.makespan_s, tool_s=_tool_seconds(problem))
        return (Epoch(index=0, assignments=(), prepare=prepare[0], estimate=alone),)
    return epochs


def _assignment(problem: Problem, place: Placement, step: Step, sharing: bool) -> Assignment:
    work = problem.llms[place.llm]
    start, stop = work.cuts[place.shards - 1][place.shard : place.shard + 2]
    return Assignment(
        worker=problem.workers[place.worker].worker,
        model=work.model,
        operator=work.operator.id,
        nodes=work.prompts.nodes[start:stop],
        estimate=_step_estimate(problem, place, step, sharing),
    )


def _step_estimate(problem: Problem, place: Placement, step: Step, sharing: bool) -> CostEstimate:
    """Of one placement: its makespan is the seconds it keeps its worker busy."""
    work = problem.llms[place.llm]
    start, stop = work.cuts[place.shards - 1][place.shard : place.shard + 2]
    prompt = work.distinct * sum(work.prompts.prompt[start:stop])
    computed = prompt
    if sharing:
        computed = max(0.0, work.distinct * work.prompts.distinct(start, stop) - step.reused_tokens)
    return CostEstimate(
        makespan_s=step.busy_s,
        load_s=step.switch_s,
        prefill_s=step.infer.prefill_s,
        decode_s=step.infer.decode_s,
        prefill_tokens=round(computed),
        reused_tokens=round(prompt - computed),
        decode_tokens=round((stop - start) * work.distinct * work.expected.tokens),
        model_loads=step.loads,
    )


def _epoch_estimate(
    problem: Problem, placements: tuple[Placement, ...], steps: tuple[Step, ...], span: Span, sharing: bool
) -> CostEstimate:
    """Sums over assignments; the makespan runs from the first node's start to the last one's end."""
    parts = [
        _step_estimate(problem, place, step, sharing) for place, step in zip(placements, steps, strict=True)
    ]
    return msgspec.structs.replace(_sum(parts), makespan_s=max(0.0, span.end_s - span.start_s))


def _total_estimate(
    problem: Problem,
    schedule: Schedule,
    steps: tuple[tuple[Step, ...], ...],
    run: Simulation,
    mechanisms: Mechanisms,
) -> CostEstimate:
    """Tokens from the placements, seconds from the simulated run."""
    parts = [
        _step_estimate(problem, place, step, mechanisms.prefix_sharing)
        for placements, epoch_steps in zip(schedule, steps, strict=True)
        for place, step in zip(placements, epoch_steps, strict=True)
    ]
    spent = total(run.lanes)
    return msgspec.structs.replace(
        _sum(parts),
        makespan_s=run.makespan_s,
        tool_s=_tool_seconds(problem),
        load_s=spent.load_s,
        prefill_s=spent.prefill_s,
        decode_s=spent.decode_s,
        model_loads=spent.loads,
    )


def _sum(parts: Sequence[CostEstimate]) -> CostEstimate:
    return CostEstimate(
        load_s=sum(part.load_s for part in parts),
        prefill_s=sum(part.prefill_s for part in parts),
        decode_s=sum(part.decode_s for part in parts),
        prefill_tokens=sum(part.prefill_tokens for part in parts),
        reused_tokens=sum(part.reused_tokens for part in parts),
        decode_tokens=sum(part.decode_tokens for part in parts),
        model_loads=sum(part.model_loads for part in parts),
    )


def _tool_seconds(problem: Problem) -> float:
    """Seconds the tools would take alone, each at its concurrency, one after another."""
    return sum(tool.seconds for tool in problem.tools)


def _preparation(problem: Problem, schedule: Schedule, *, early: bool) -> tuple[tuple[OperatorId, ...], ...]:
    """Tools to start in each epoch, most urgent first.

    `early`: as soon as the operators they read are done; otherwise in the epoch that needs them.
    """
    epoch_of = {place.llm: index for index, epoch in enumerate(schedule) for place in epoch}
    last = max(0, len(schedule) - 1)
    starts: list[list[tuple[int, float, OperatorId]]] = [[] for _ in range(last + 1)]
    for position, tool in enumerate(problem.tools):
        inputs = [epoch_of[llm] + 1 for llm in epoch_of if tool.after >> llm & 1]
        needed = _first_reader(problem, position, epoch_of, last)
        start = max(inputs, default=0) if early else needed
        starts[min(start, last)].append((needed, -tool.seconds, tool.operator))
    return tuple(tuple(operator for *_, operator in sorted(epoch)) for epoch in starts)


def _first_reader(problem: Problem, tool: int, epoch_of: Mapping[int, int], last: int) -> int:
    """The first epoch with an operator that reads the tool, directly or through other tools; else none."""
    readers = {tool}
    for other, work in enumerate(problem.tools):
        if readers.intersection(work.tools):
            readers.add(other)
    epochs = [epoch_of[llm] for llm, work in enumerate(problem.llms) if readers.intersection(work.tools)]
    return min(epochs, default=last + 1)
