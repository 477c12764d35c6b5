"""The schedulers by name. Each turns a problem into epochs and says how it came to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.errors import PlanError
from engine.optimizer.baselines import brute_force, greedy, level, min_switch, round_robin
from engine.optimizer.epoch_dp import epoch_dp
from engine.optimizer.problem import Problem
from engine.optimizer.schedule import Schedule

EAGER_MU = 0.3
"""Second weight tried: of those between 0.1 and 1, it complements 0.9 best on the six test workloads."""

EAGER_TRANSITIONS = 15_000

Scheduler = Callable[[Problem], "Scheduled"]


@dataclass(frozen=True)
class Scheduled:
    """A schedule and who made it, e.g. "epoch_dp", or "epoch_dp(beam)" when it is not proven optimal."""

    schedule: Schedule
    planner: str
    states: int = 0
    transitions: int = 0


def _epoch_dp(problem: Problem) -> Scheduled:
    search = epoch_dp(problem)
    name = "epoch_dp" if search.exact else "epoch_dp(beam)"
    return Scheduled(search.schedule, name, search.states, search.transitions)


def eager_epoch_dp(problem: Problem) -> Scheduled:
    """The program with little weight on the slowest worker: nearer the truth where epochs overlap much."""
    search = epoch_dp(problem, mu=EAGER_MU, max_transitions=EAGER_TRANSITIONS)
    name = f"epoch_dp(mu {EAGER_MU})" if search.exact else f"epoch_dp(mu {EAGER_MU}, beam)"
    return Scheduled(search.schedule, name, search.states, search.transitions)


def _plain(name: str, scheduler: Callable[[Problem], Schedule]) -> Scheduler:
    return lambda problem: Scheduled(scheduler(problem), name)


SCHEDULERS: Mapping[str, Scheduler] = MappingProxyType(
    {
        "epoch_dp": _epoch_dp,
        "greedy": _plain("greedy", greedy),
        "round_robin": _plain("round_robin", round_robin),
        "level": _plain("level", level),
        "min_switch": _plain("min_switch", min_switch),
        "brute_force": _plain("brute_force", brute_force),
    }
)


def scheduler_named(name: str) -> Scheduler:
    """Raises PlanError for a name that is not in SCHEDULERS."""
    if name not in SCHEDULERS:
        raise PlanError(f"no scheduler is called {name!r}", fix=f"choose one of {', '.join(SCHEDULERS)}")
    return SCHEDULERS[name]
