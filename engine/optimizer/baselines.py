"""Schedulers to compare with: simple ones people use, and brute force to be sure.

All but brute force are polynomial; none of them looks ahead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from engine.errors import PlanError
from engine.optimizer.problem import Problem
from engine.optimizer.schedule import (
    MU,
    Placement,
    Placements,
    Schedule,
    Situation,
    begin,
    closing_cost,
    ready,
    run_epoch,
    take_step,
    worker_seconds,
)

BRUTE_FORCE_LIMIT = 6
"""LLM operators brute force accepts; it tries every schedule."""


def round_robin(problem: Problem) -> Schedule:
    """Operators in topological order, each on the next worker that can run it, whole."""
    epochs = list[Placements]()
    for llm in range(len(problem.llms)):
        able = problem.able(llm)
        place = Placement(able[llm % len(able)], llm)
        if epochs and _joins(problem, epochs[-1], place):
            epochs[-1] = (*epochs[-1], place)
        else:
            epochs.append((place,))
    return tuple(epochs)


def _joins(problem: Problem, epoch: Placements, place: Placement) -> bool:
    """Whether a placement may run beside an epoch: its worker is free and nothing there feeds it."""
    after = problem.llms[place.llm].after
    return all(other.worker != place.worker and not after >> other.llm & 1 for other in epoch)


def level(problem: Problem) -> Schedule:
    """Operator by operator, level by level: each is cut over all workers that can run it."""
    levels = _levels(problem)
    return tuple(_spread(problem, llm) for llm in sorted(range(len(levels)), key=levels.__getitem__))


def _levels(problem: Problem) -> list[int]:
    levels: list[int] = []
    for llm, work in enumerate(problem.llms):
        levels.append(max((levels[other] + 1 for other in range(llm) if work.after >> other & 1), default=0))
    return levels


def _spread(problem: Problem, llm: int) -> Placements:
    able = problem.able(llm)
    shards = min(len(able), len(problem.llms[llm].shards))
    return tuple(Placement(able[i], llm, i, shards) for i in range(shards))


def min_switch(problem: Problem) -> Schedule:
    """Stay with the resident model as long as it has ready work; then take the model with most of it."""
    situation, epochs = begin(problem), list[Placements]()
    while situation.done != problem.all_done:
        places: list[Placement] = []
        for worker in range(len(problem.workers)):
            left = _unplaced(problem, situation, worker, places)
            if left:
                places.append(Placement(worker, _stay(problem, situation, worker, left)))
        epochs.append(tuple(places))
        _, situation = run_epoch(problem, situation, epochs[-1])
    return tuple(epochs)


def _unplaced(problem: Problem, situation: Situation, worker: int, places: Sequence[Placement]) -> list[int]:
    taken = {place.llm for place in places}
    return [llm for llm in ready(problem, situation.done) if llm not in taken and worker in problem.able(llm)]


def _stay(problem: Problem, situation: Situation, worker: int, options: Sequence[int]) -> int:
    """The option whose model was used last, else was used least long ago, else has most ready nodes."""
    resident = situation.contexts[worker].resident
    nodes = Counter[str]()
    for llm in options:
        nodes[problem.llms[llm].model] += len(problem.llms[llm].prompts.nodes)

    def preference(llm: int) -> tuple[int, int, int]:
        model = problem.llms[llm].model
        recency = resident.index(model) if model in resident else -1
        return (recency, nodes[model], -llm)

    return max(options, key=preference)


def greedy(problem: Problem) -> Schedule:
    """Epoch by epoch, the pair that ends first goes next; workers left over help the largest operator."""
    situation, epochs = begin(problem), list[Placements]()
    while situation.done != problem.all_done:
        chosen = _greedy_epoch(problem, situation)
        epochs.append(_with_shards(problem, chosen))
        _, situation = run_epoch(problem, situation, epochs[-1])
    return tuple(epochs)


def _greedy_epoch(problem: Problem, situation: Situation) -> dict[int, int]:
    """Worker → operator."""
    chosen: dict[int, int] = {}
    options = set(ready(problem, situation.done))
    while options and len(chosen) < len(problem.workers):
        pairs = [
            (_seconds(problem, situation, worker, llm), llm, worker)
            for llm in options
            for worker in problem.able(llm)
            if worker not in chosen
        ]
        if not pairs:
            break
        _, llm, worker = min(pairs)
        chosen[worker] = llm
        options.remove(llm)
    for worker in range(len(problem.workers)):
        helped = [llm for llm in set(chosen.values()) if worker in problem.able(llm)]
        if worker not in chosen and helped:
            chosen[worker] = max(helped, key=lambda llm: (len(problem.llms[llm].prompts.nodes), -llm))
    return chosen


def _seconds(problem: Problem, situation: Situation, worker: int, llm: int) -> float:
    step = take_step(problem, worker, situation.contexts[worker], llm, 1)
    return worker_seconds(problem, step, llm, situation.tools_s)


def _with_shards(problem: Problem, chosen: dict[int, int]) -> Placements:
    """Number the shards; an operator with fewer nodes than workers leaves some of them idle."""
    wanted = Counter(chosen.values())
    shards = {llm: min(number, len(problem.llms[llm].shards)) for llm, number in wanted.items()}
    next_shard, places = Counter[int](), list[Placement]()
    for worker, llm in sorted(chosen.items()):
        if next_shard[llm] < shards[llm]:
            places.append(Placement(worker, llm, next_shard[llm], shards[llm]))
            next_shard[llm] += 1
    return tuple(places)


def brute_force(problem: Problem, mu: float = MU) -> Schedule:
    """The best of all schedules, tried one by one without bound, memory or symmetry.

    Raises PlanError beyond BRUTE_FORCE_LIMIT operators.
    """
    if len(problem.llms) > BRUTE_FORCE_LIMIT:
        raise PlanError(
            f"brute force tries every schedule; {len(problem.llms)} LLM operators are too many",
            fix=f"use epoch_dp, or a workflow of at most {BRUTE_FORCE_LIMIT} LLM operators",
        )
    return _cheapest(problem, begin(problem), mu)[1]


def _cheapest(problem: Problem, situation: Situation, mu: float) -> tuple[float, Schedule]:
    if situation.done == problem.all_done:
        return closing_cost(situation.tools_s, mu), ()
    best: tuple[float, Schedule] | None = None
    for places in _all_epochs(problem, situation):
        cost, after = run_epoch(problem, situation, places, mu)
        rest, epochs = _cheapest(problem, after, mu)
        if best is None or cost + rest < best[0]:
            best = (cost + rest, (places, *epochs))
    assert best is not None
    return best


def _all_epochs(problem: Problem, situation: Situation) -> Iterator[Placements]:
    """Every assignment of ready operators, or none, to every worker."""
    open_to = [
        [None, *(llm for llm in ready(problem, situation.done) if worker in problem.able(llm))]
        for worker in range(len(problem.workers))
    ]
    for picks in product(*open_to):
        wanted = Counter(llm for llm in picks if llm is not None)
        if wanted and all(number <= len(problem.llms[llm].shards) for llm, number in wanted.items()):
            yield _with_shards(problem, {w: llm for w, llm in enumerate(picks) if llm is not None})
