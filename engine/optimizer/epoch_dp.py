"""The epoch dynamic program: the cheapest schedule by the objective of `engine.optimizer.schedule`.

States are opened best first by cost + lower bound (`engine.optimizer.lower_bound`, admissible), so the
first complete label is optimal. Beyond a limit of transitions the search gives up exactness, starts over as
a beam and says so.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import heappop, heappush, nsmallest
from itertools import count

from engine.optimizer.baselines import greedy
from engine.optimizer.epoch_states import Label, StateSpace
from engine.optimizer.problem import Problem
from engine.optimizer.schedule import MU, Schedule, evaluate_schedule

MAX_TRANSITIONS = 150_000
"""Epochs tried before exactness is given up."""

FIRST_WIDTH = 8
LAST_WIDTH = 16
BEAM_READY = 4
"""Ready operators a beam considers at once, those with the longest way to go."""


@dataclass(frozen=True)
class Search:
    """The schedule found, its cost, and how it was found. `exact` means proven optimal."""

    schedule: Schedule
    cost: float
    exact: bool
    states: int
    transitions: int


def epoch_dp(problem: Problem, *, mu: float = MU, max_transitions: int = MAX_TRANSITIONS) -> Search:
    """The optimal schedule; the better of greedy and a beam when proof takes too many transitions.

    A narrow beam goes first: what it finds cuts off most of the search.
    """
    space = StateSpace(problem, mu)
    seed = greedy(problem)
    seed_cost = evaluate_schedule(problem, seed, mu)
    first = _beam(space, FIRST_WIDTH)
    if first is not None and space.estimate(first) < seed_cost:
        seed, seed_cost = space.schedule(first), space.estimate(first)
    space.labels.clear()
    found, exact = _best_first(space, seed_cost, max_transitions)
    states = len(space.labels)
    if not exact:
        space.labels.clear()
        found = _beam(space, LAST_WIDTH)
    if found is not None and space.estimate(found) < seed_cost:
        seed, seed_cost = space.schedule(found), space.estimate(found)
    return Search(seed, seed_cost, exact, states, space.transitions)


def _best_first(space: StateSpace, below: float, max_transitions: int) -> tuple[Label | None, bool]:
    """The best complete label cheaper than `below` if there is one, and whether the search was complete."""
    order = count()
    root = space.root()
    space.admit(root)
    queue = [(space.estimate(root), 0, next(order), root)]
    while queue:
        _, _, _, label = heappop(queue)
        if label.done == space.problem.all_done:
            return label, True
        if not space.stands(label):
            continue
        for after in space.successors(label, below=below):
            estimate = space.estimate(after)
            if estimate < below and space.admit(after):
                heappush(queue, (estimate, -after.done.bit_count(), next(order), after))
        if space.transitions > max_transitions:
            return None, False
    return None, True


def _beam(space: StateSpace, width: int) -> Label | None:
    """The best label a beam finds, by number of operators done."""
    total = len(space.problem.llms)
    levels: dict[int, list[Label]] = defaultdict(list)
    levels[0].append(space.root())
    for done in range(total):
        for label in nsmallest(width, levels.pop(done, []), key=space.estimate):
            for after in space.successors(label, most_ready=BEAM_READY):
                if space.admit(after):
                    levels[after.done.bit_count()].append(after)
    return min(levels[total], key=space.estimate, default=None)
