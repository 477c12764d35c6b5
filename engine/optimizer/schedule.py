"""Schedules and the objective they are judged by.

An epoch costs  C = μ · max_w T_w + (1 − μ) · mean_w busy_w.  The first term is the makespan if epochs were
barriers, the second if no worker ever waited; the processor treats the plan as a priority, so the truth
lies between, near the first while queries have to be finished operator by operator. Dividing the sum by the
number of workers keeps C in seconds of makespan for any number of workers. Model loads are inside T_w and
busy_w, so no further penalty for switches is needed.

Tools run beside inference: T_w = max(load + inference, tools still to come + the last inputs' inference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.optimizer.cost_model import Inference, Resident, inference, kv_tokens, make_resident, profile_of
from engine.optimizer.problem import Problem

MU = 0.9
"""Weight of the slowest worker in an epoch."""


class Placement(NamedTuple):
    """Shard `shard` of `shards` of an LLM operator, on a worker; positions in the problem."""

    worker: int
    llm: int
    shard: int = 0
    shards: int = 1


Placements = tuple[Placement, ...]
"""One epoch: at most one placement a worker."""

Schedule = tuple[Placements, ...]
"""Epochs in order; every shard of every LLM operator exactly once, all shards of one in one epoch."""


class Warm(NamedTuple):
    """The LLM operator a resident model ran last on a worker; `part` when it was only a shard."""

    llm: int
    part: bool


class Context(NamedTuple):
    """A worker's h: resident models, least recently used first, and what their caches hold."""

    resident: Resident
    warm: tuple[Warm, ...] = ()


class Step(NamedTuple):
    """One placement carried out from a context: seconds, and the context after it.

    `busy_s` is `switch_s` plus all of `infer`, stored because searches read it most.
    """

    switch_s: float
    loads: int
    infer: Inference
    busy_s: float
    reused_tokens: float
    context: Context


@dataclass(frozen=True)
class Situation:
    """Where a schedule stands: operators done, worker contexts, seconds each started tool still needs."""

    done: int
    contexts: tuple[Context, ...]
    tools_s: tuple[float, ...]


def begin(problem: Problem) -> Situation:
    """Before the first epoch: tools that need no model have just started."""
    contexts = tuple(Context(resident) for resident in problem.resident)
    idle = (0.0,) * len(problem.tools)
    return Situation(done=0, contexts=contexts, tools_s=start_tools(problem, None, 0, idle))


def start_tools(
    problem: Problem, before: int | None, done: int, tools_s: tuple[float, ...]
) -> tuple[float, ...]:
    """`tools_s` with the tools whose last LLM operator got done between `before` and `done` started.

    `before=None` means nothing has started yet. Calls of a tool that reads another tool follow call by
    call, so it ends one call after it.
    """
    if not tools_s:
        return tools_s
    seconds = list(tools_s)
    for i, tool in enumerate(problem.tools):
        waiting = before is None or tool.after & ~before
        if waiting and not tool.after & ~done:
            upstream = max((seconds[source] + tool.profile.mean_s for source in tool.tools), default=0.0)
            seconds[i] = max(upstream, tool.seconds)
    return tuple(seconds)


def take_step(problem: Problem, worker: int, context: Context, llm: int, shards: int) -> Step:
    """Run one shard of an operator on a worker in `context`. Raises PlanError if the model does not fit."""
    work, profile = problem.llms[llm], problem.workers[worker]
    switch = make_resident(profile, context.resident, work.model)
    warm = tuple(entry for entry in context.warm if problem.llms[entry.llm].model in switch.resident)
    reused = max((_warm_tokens(problem, entry, llm, shards) for entry in warm), default=0.0)
    reused = min(reused, kv_tokens(profile, switch.resident, work.model))
    model = profile_of(profile, work.model)
    assert model is not None
    infer = inference(model, profile.slots, work.shards[shards - 1], reused)
    others = tuple(entry for entry in warm if problem.llms[entry.llm].model != work.model)
    after = Context(switch.resident, tuple(sorted((*others, Warm(llm, shards > 1)))))
    return Step(switch.seconds, switch.loads, infer, switch.seconds + infer.total_s, reused, after)


def _warm_tokens(problem: Problem, entry: Warm, llm: int, shards: int) -> float:
    """Shards of two operators need not hold the same nodes, so they count on literal text only."""
    shared = problem.overlaps.get((entry.llm, llm))
    if shared is None:
        return 0.0
    return shared.head if entry.part or shards > 1 else shared.whole


def worker_seconds(problem: Problem, step: Step, llm: int, tools_s: Sequence[float]) -> float:
    """T_w: inference and loading, or waiting for the operator's tools and then for its last inputs."""
    waiting = max((tools_s[tool] for tool in problem.llms[llm].tools), default=0.0)
    return max(step.busy_s, waiting + step.infer.last_s if waiting else 0.0)


def epoch_cost(problem: Problem, times: Sequence[float], busy: float, mu: float) -> float:
    """C of an epoch, from the workers' T_w and their busy seconds in all."""
    return mu * max(times) + (1 - mu) * busy / len(problem.workers)


def run_epoch(
    problem: Problem, situation: Situation, placements: Placements, mu: float = MU
) -> tuple[float, Situation]:
    """Cost of one epoch and the situation after it."""
    steps = epoch_steps(problem, situation, placements)
    pairs = tuple(zip(placements, steps, strict=True))
    times = [worker_seconds(problem, step, place.llm, situation.tools_s) for place, step in pairs]
    contexts, done = list(situation.contexts), situation.done
    for place, step in pairs:
        contexts[place.worker] = step.context
        done |= 1 << place.llm
    left = tuple(max(0.0, seconds - max(times)) for seconds in situation.tools_s)
    tools_s = start_tools(problem, situation.done, done, left)
    cost = epoch_cost(problem, times, sum(step.busy_s for step in steps), mu)
    return cost, Situation(done, tuple(contexts), tools_s)


def epoch_steps(problem: Problem, situation: Situation, placements: Placements) -> tuple[Step, ...]:
    """What each placement of one epoch takes, aligned with it."""
    return tuple(
        take_step(problem, place.worker, situation.contexts[place.worker], place.llm, place.shards)
        for place in placements
    )


def schedule_steps(problem: Problem, schedule: Schedule) -> tuple[tuple[Step, ...], ...]:
    """What each placement takes, epoch by epoch, aligned with the schedule."""
    situation, steps = begin(problem), list[tuple[Step, ...]]()
    for placements in schedule:
        steps.append(epoch_steps(problem, situation, placements))
        _, situation = run_epoch(problem, situation, placements)
    return tuple(steps)


def closing_cost(tools_s: Sequence[float], mu: float) -> float:
    """Cost of the tools that still run when the last LLM operator is done."""
    return mu * max(tools_s, default=0.0)


def evaluate_schedule(problem: Problem, schedule: Schedule, mu: float = MU) -> float:
    """The objective: what all epochs cost, and the tools after them."""
    situation, total = begin(problem), 0.0
    for placements in schedule:
        cost, situation = run_epoch(problem, situation, placements, mu)
        total += cost
    return total + closing_cost(situation.tools_s, mu)


def ready(problem: Problem, done: int) -> tuple[int, ...]:
    """LLM operators not done whose LLM ancestors are."""
    return tuple(
        llm
        for llm, work in enumerate(problem.llms)
        if not done >> llm & 1 and not work.after & ~done
    )  # fmt: skip
