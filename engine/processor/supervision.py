"""What a worker's crash means: when to start it again, whom to suspect, when to give up. Sans-I/O.

After a crash that is the worker's own (SIGSEGV, SIGABRT, hang), every node in flight is a suspect and
runs alone; two crashes while alone quarantine it. A SIGKILL came from outside and blames nobody, unless it
strikes the same node again and again: memory may run out on that row every time. A worker that crashes
five times in a row with nothing completed in between is given up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.ir.ids import ModelName, NodeId, WorkerId

SOLO_CRASHES_TO_QUARANTINE = 2
KILLS_TO_SUSPECT = 2
KILLS_TO_GIVE_UP = 5
"""SIGKILLs with one node in flight: from the second on it runs alone, after the fifth it is given up."""
CRASHES_TO_RETIRE = 5
LOAD_CRASHES_TO_REFUSE = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one crash.

    `lost` names nodes that outside kills struck too often; `unloadable` the model whose loading, with
    nothing else in flight, crashed the worker again; `retire` says that the worker is not to be started
    again.
    """

    delay_s: float
    suspects: frozenset[NodeId]
    quarantined: frozenset[NodeId]
    lost: frozenset[NodeId]
    unloadable: ModelName | None
    retire: bool


NO_BLAME = Verdict(0.0, frozenset(), frozenset(), frozenset(), None, False)
"""Of a death that was asked for: start again at once."""


@dataclass(slots=True)
class Supervisor:
    """Crash history of all workers of a run."""

    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    _streak: dict[WorkerId, int] = field(default_factory=dict)
    _solo_crashes: dict[NodeId, int] = field(default_factory=dict)
    _kills: dict[NodeId, int] = field(default_factory=dict)
    _load_crashes: dict[tuple[WorkerId, ModelName], int] = field(default_factory=dict)

    def absorb_answer(self, worker: WorkerId) -> None:
        """Something came back from a worker: its back-off and its count of crashes start afresh."""
        self._streak.pop(worker, None)

    def remember(self, node: NodeId, *, solo_crashes: int) -> None:
        """Take over what an earlier coordinator saw of a node that is to run again."""
        self._solo_crashes[node] = solo_crashes

    def absorb_crash(
        self,
        worker: WorkerId,
        in_flight: tuple[NodeId, ...],
        *,
        solo: bool,
        blamed: bool,
        loading: ModelName | None = None,
    ) -> Verdict:
        """Judge a crash. `solo` says that the only node in flight ran alone, as suspects do."""
        streak = self._streak[worker] = self._streak.get(worker, 0) + 1
        delay = 0.0 if streak == 1 else min(self.backoff_s * 2 ** (streak - 2), self.backoff_max_s)
        suspects = quarantined = lost = frozenset[NodeId]()
        if not blamed:
            suspects, lost = self._judge_kill(in_flight, solo=solo)
        elif solo:
            suspects, quarantined = self._judge_solo(in_flight)
        else:
            suspects = frozenset(in_flight)
        unloadable = None
        if blamed and loading is not None and not in_flight:
            unloadable = self._judge_load(worker, loading)
        if quarantined or lost or unloadable is not None:
            streak = self._streak[worker] = 0  # something was settled: that is progress
        return Verdict(delay, suspects, quarantined, lost, unloadable, streak >= CRASHES_TO_RETIRE)

    def _judge_solo(self, in_flight: Iterable[NodeId]) -> tuple[frozenset[NodeId], frozenset[NodeId]]:
        for node in in_flight:
            self._solo_crashes[node] = self._solo_crashes.get(node, 0) + 1
        guilty = frozenset(n for n in in_flight if self._solo_crashes[n] >= SOLO_CRASHES_TO_QUARANTINE)
        return frozenset(in_flight) - guilty, guilty

    def _judge_kill(
        self, in_flight: Iterable[NodeId], *, solo: bool
    ) -> tuple[frozenset[NodeId], frozenset[NodeId]]:
        for node in in_flight:
            self._kills[node] = self._kills.get(node, 0) + 1
        lost = frozenset(n for n in in_flight if solo and self._kills[n] >= KILLS_TO_GIVE_UP)
        struck = frozenset(n for n in in_flight if self._kills[n] >= KILLS_TO_SUSPECT)
        return struck - lost, lost

    def _judge_load(self, worker: WorkerId, model: ModelName) -> ModelName | None:
        count = self._load_crashes[worker, model] = self._load_crashes.get((worker, model), 0) + 1
        return model if count >= LOAD_CRASHES_TO_REFUSE else None
