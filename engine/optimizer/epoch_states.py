"""The state space of the epoch dynamic program: labels, which of them matter, and what may follow one.

A state is (operators done, multiset of worker contexts): workers that perform alike and hold the same are
interchangeable. Tools that still run make part of the history matter, so a state keeps every label (cost,
seconds left of each tool) that no other label dominates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations_with_replacement, product
from typing import NamedTuple

from engine.optimizer.cost_model import profile_of
from engine.optimizer.lower_bound import LowerBound
from engine.optimizer.problem import Problem
from engine.optimizer.schedule import (
    Context,
    Placement,
    Schedule,
    Step,
    begin,
    closing_cost,
    epoch_cost,
    ready,
    start_tools,
    take_step,
)

_EPSILON = 1e-9


class Seat(NamedTuple):
    """A worker as a state sees it: its class and its context."""

    kind: int
    context: Context


class Seated(NamedTuple):
    """One shard of an LLM operator on a worker that sits at `seat`."""

    seat: Seat
    llm: int
    shards: int


Choice = tuple[Seated, ...]
"""One epoch without names of workers."""


@dataclass(frozen=True, eq=False)
class Label:
    """One way to reach a state, and what it cost."""

    cost: float
    done: int
    seats: tuple[Seat, ...]
    tools_s: tuple[float, ...]
    parent: Label | None = None
    choice: Choice = ()


class StateSpace:
    """Successors, estimates and dominance of one problem. `transitions` counts epochs tried."""

    def __init__(self, problem: Problem, mu: float) -> None:
        self.problem = problem
        self.mu = mu
        self.bound = LowerBound(problem, mu)
        self.transitions = 0
        self.labels: dict[tuple[int, tuple[Seat, ...]], list[Label]] = {}
        self._worker_of = {kind: worker for worker, kind in enumerate(problem.classes)}
        self._roomy = {kind: _holds_all(problem, worker) for kind, worker in self._worker_of.items()}
        self._able = tuple(frozenset(problem.able(llm)) for llm in range(len(problem.llms)))
        self._feeds = tuple(_feeds(problem, llm) for llm in range(len(problem.llms)))
        self._step = cache(self._take_step)
        self._seat = cache(self._canonical_seat)

    def root(self) -> Label:
        """Nothing done."""
        start = begin(self.problem)
        seats = map(self._seat, self.problem.classes, start.contexts, [0] * len(start.contexts))
        return Label(0.0, 0, tuple(sorted(seats)), start.tools_s)

    def estimate(self, label: Label) -> float:
        """Cost so far plus a lower bound on the rest; exact for a complete label."""
        if label.done == self.problem.all_done:
            return label.cost + closing_cost(label.tools_s, self.mu)
        resident = {model for seat in label.seats for model in seat.context.resident}
        return label.cost + self.bound.at(label.done, resident, label.tools_s)

    def admit(self, label: Label) -> bool:
        """Keep the label unless another of its state is no dearer with no tool further from its end."""
        known = self.labels.setdefault((label.done, label.seats), [])
        if any(_dominates(other, label) for other in known):
            return False
        known[:] = [other for other in known if not _dominates(label, other)]
        known.append(label)
        return True

    def stands(self, label: Label) -> bool:
        """Whether a label admitted earlier is still kept."""
        return any(other is label for other in self.labels[label.done, label.seats])

    def successors(
        self, label: Label, *, below: float = float("inf"), most_ready: int | None = None
    ) -> Iterator[Label]:
        """Every epoch that may come next and can still end cheaper than `below`.

        `most_ready` looks at that many ready operators only, those with the longest way to go.
        """
        options = list(ready(self.problem, label.done))
        if most_ready is not None:
            options = sorted(options, key=self.bound.tail, reverse=True)[:most_ready]
        stalls = {llm: self._stall(llm, label.tools_s) for llm in options}
        for choice in self._choices(label.seats, options):
            self.transitions += 1
            longest, busy, done = 0.0, 0.0, label.done
            for seat, llm, shards in choice:
                step = self._step(seat, llm, shards)
                busy += step.busy_s
                stalled = stalls[llm] + step.infer.last_s if stalls[llm] else 0.0
                longest = max(longest, step.busy_s, stalled)
                done |= 1 << llm
            cost = label.cost + epoch_cost(self.problem, (longest,), busy, self.mu)
            if cost + self.bound.without_loads(done) < below:
                yield self._after(label, choice, cost, longest, done)

    def _stall(self, llm: int, tools_s: tuple[float, ...]) -> float:
        return max((tools_s[tool] for tool in self.problem.llms[llm].tools), default=0.0)

    def schedule(self, label: Label) -> Schedule:
        """The label's history with workers' names: any worker that sits where the choice says."""
        labels = [label]
        while labels[-1].parent is not None:
            labels.append(labels[-1].parent)
        start = begin(self.problem)
        seats = list(map(self._seat, self.problem.classes, start.contexts, [0] * len(start.contexts)))
        epochs = []
        for step in reversed(labels[:-1]):
            epochs.append(self._name_workers(step.choice, seats))
            for place in epochs[-1]:
                seat = seats[place.worker]
                context = self._step(seat, place.llm, place.shards).context
                seats[place.worker] = Seat(seat.kind, context)
            seats = [self._seat(seat.kind, seat.context, step.done) for seat in seats]
        return tuple(epochs)

    def _name_workers(self, choice: Choice, seats: list[Seat]) -> tuple[Placement, ...]:
        free, next_shard, places = set(range(len(seats))), Counter[int](), list[Placement]()
        for seated in choice:
            worker = min(w for w in free if seats[w] == seated.seat)
            free.remove(worker)
            places.append(Placement(worker, seated.llm, next_shard[seated.llm], seated.shards))
            next_shard[seated.llm] += 1
        return tuple(sorted(places))

    def _choices(self, seats: tuple[Seat, ...], options: list[int]) -> Iterator[Choice]:
        """Multisets of operators (or idleness, -1) for each group of equal seats, in every combination."""
        ways = []
        for seat, size in Counter(seats).items():
            worker = self._worker_of[seat.kind]
            able = [-1, *(llm for llm in options if worker in self._able[llm])]
            ways.append(
                [
                    tuple((seat, llm) for llm in picks if llm >= 0)
                    for picks in combinations_with_replacement(able, size)
                ]
            )
        most = [len(work.shards) for work in self.problem.llms]
        for way in product(*ways):
            picks = tuple(chain.from_iterable(way))
            names = [llm for _, llm in picks]
            if picks and all(names.count(llm) <= most[llm] for llm in names):
                yield tuple(Seated(seat, llm, names.count(llm)) for seat, llm in picks)

    def _after(self, label: Label, choice: Choice, cost: float, longest: float, done: int) -> Label:
        moved, stay = list[Seat](), list(label.seats)
        for seat, llm, shards in choice:
            stay.remove(seat)
            moved.append(Seat(seat.kind, self._step(seat, llm, shards).context))
        left = tuple(max(0.0, seconds - longest) for seconds in label.tools_s)
        seats = sorted(self._seat(seat.kind, seat.context, done) for seat in (*moved, *stay))
        tools_s = start_tools(self.problem, label.done, done, left)
        return Label(cost, done, tuple(seats), tools_s, label, choice)

    def _take_step(self, seat: Seat, llm: int, shards: int) -> Step:
        return take_step(self.problem, self._worker_of[seat.kind], seat.context, llm, shards)

    def _canonical_seat(self, kind: int, context: Context, done: int) -> Seat:
        """Forget what cannot matter any more: recency where all models fit, warmth nobody left can use."""
        resident = tuple(sorted(context.resident)) if self._roomy[kind] else context.resident
        warm = tuple(entry for entry in context.warm if self._feeds[entry.llm] & ~done)
        return Seat(kind, Context(resident, warm))


def _dominates(one: Label, other: Label) -> bool:
    return one.cost <= other.cost + _EPSILON and all(
        mine <= its + _EPSILON for mine, its in zip(one.tools_s, other.tools_s, strict=True)
    )


def _feeds(problem: Problem, llm: int) -> int:
    """Mask of the LLM operators that find something warm after `llm`."""
    return sum(1 << later for earlier, later in problem.overlaps if earlier == llm)


def _holds_all(problem: Problem, worker: int) -> bool:
    """Whether a worker never evicts: every model it may come to hold fits at once."""
    profile = problem.workers[worker]
    models = {work.model for work in problem.llms} | set(problem.resident[worker])
    sizes = (profile_of(profile, model) for model in models)
    return sum(size.model_bytes for size in sizes if size) <= profile.memory_bytes
