"""A lower bound on what the rest of a schedule costs. Never above the truth, so that pruning is safe.

Every operator is taken at its best: fastest worker, best number of shards, warmest cache, model resident.
Then (a) the longest path through operators and tools, and (b) all work spread evenly, with one load for
each model that is needed and resident nowhere, both bound Σ max_w T_w; (b) also bounds Σ mean_w busy_w.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.ir.ids import ModelName
from engine.optimizer.cost_model import Inference, inference, profile_of
from engine.optimizer.problem import Problem


@dataclass(frozen=True)
class _Best:
    """One operator at its best: seconds of an epoch, seconds after the last input, work over all shards."""

    seconds: float
    last_s: float
    work_s: float


class LowerBound:
    """h(situation) for one problem; tables are filled once, the rest is memoised by set of operators."""

    def __init__(self, problem: Problem, mu: float) -> None:
        self._problem = problem
        self._mu = mu
        self._best = tuple(_best(problem, llm) for llm in range(len(problem.llms)))
        self._load_s = _load_seconds(problem)
        self._tail = self._tails()
        self._parts: dict[int, tuple[float, float, frozenset[ModelName]]] = {}

    def tail(self, llm: int) -> float:
        """Least seconds from the start of an operator to the end of all that follows it."""
        return self._tail[llm]

    def at(self, done: int, resident: Iterable[ModelName], tools_s: Sequence[float]) -> float:
        """Least cost still to come."""
        path, work, models = self._remaining(done)
        if any(tools_s):
            path = max(path, self._tool_path(done, tools_s))
        work += sum(self._load_s[model] for model in models.difference(resident))
        share = work / len(self._problem.workers)
        return self._mu * max(path, share) + (1 - self._mu) * share

    def without_loads(self, done: int) -> float:
        """Least cost still to come if every model were resident and no tool running; quick."""
        path, work, _ = self._remaining(done)
        share = work / len(self._problem.workers)
        return self._mu * max(path, share) + (1 - self._mu) * share

    def _remaining(self, done: int) -> tuple[float, float, frozenset[ModelName]]:
        found = self._parts.get(done)
        if found is None:
            left = [llm for llm in range(len(self._problem.llms)) if not done >> llm & 1]
            found = self._parts[done] = (
                max((self._tail[llm] for llm in left), default=0.0),
                sum(self._best[llm].work_s for llm in left),
                frozenset(self._problem.llms[llm].model for llm in left),
            )
        return found

    def _tool_path(self, done: int, tools_s: Sequence[float]) -> float:
        """Longest path that begins with a tool now running."""
        longest = max(tools_s)
        for llm, work in enumerate(self._problem.llms):
            if done >> llm & 1:
                continue
            waiting = max((tools_s[tool] for tool in work.tools), default=0.0)
            if waiting:
                best = self._best[llm]
                longest = max(longest, waiting + best.last_s + self._tail[llm] - best.seconds)
        return longest

    def _tails(self) -> tuple[float, ...]:
        llms, tails = self._problem.llms, [0.0] * len(self._problem.llms)
        for llm in reversed(range(len(llms))):
            delays = _tool_delays(self._problem, llm)
            after = max(delays.values(), default=0.0)
            for reader, work in enumerate(llms):
                if not work.after >> llm & 1:
                    continue
                best = self._best[reader]
                waiting = max((delays.get(tool, 0.0) for tool in work.tools), default=0.0)
                rest = tails[reader] - best.seconds
                stalled = waiting + best.last_s + rest if waiting else 0.0
                after = max(after, tails[reader], stalled)
            tails[llm] = self._best[llm].seconds + after
        return tuple(tails)


def _best(problem: Problem, llm: int) -> _Best:
    seconds, last_s, work_s = float("inf"), float("inf"), float("inf")
    warm = max((shared.whole for (_, b), shared in problem.overlaps.items() if b == llm), default=0.0)
    for worker in problem.able(llm):
        for shards in range(1, len(problem.llms[llm].shards) + 1):
            infer = _infer(problem, worker, llm, shards, warm)
            seconds = min(seconds, infer.total_s)
            last_s = min(last_s, infer.last_s)
            work_s = min(work_s, shards * infer.total_s)
    return _Best(seconds, last_s, work_s)


def _infer(problem: Problem, worker: int, llm: int, shards: int, warm: float) -> Inference:
    profile = problem.workers[worker]
    model = profile_of(profile, problem.llms[llm].model)
    assert model is not None
    return inference(model, profile.slots, problem.llms[llm].shards[shards - 1], warm)


def _load_seconds(problem: Problem) -> dict[ModelName, float]:
    """The cheapest load of each model on a worker that can hold it."""
    seconds: dict[ModelName, float] = {}
    for llm, work in enumerate(problem.llms):
        for worker in problem.able(llm):
            profile = profile_of(problem.workers[worker], work.model)
            assert profile is not None
            seconds[work.model] = min(seconds.get(work.model, float("inf")), profile.load_s)
    return seconds


def _tool_delays(problem: Problem, llm: int) -> dict[int, float]:
    """Least seconds from the end of an operator to the end of each tool that waits for it."""
    delays: dict[int, float] = {}
    for i, tool in enumerate(problem.tools):
        if tool.after >> llm & 1:
            upstream = max((delays.get(s, 0.0) + tool.profile.mean_s for s in tool.tools), default=0.0)
            delays[i] = max(upstream, tool.seconds)
    return delays
