"""What a worker's crash means: when to start it again, whom to suspect, when to give up. Sans-I/O.

After a crash that is the worker's own (SIGSEGV, SIGABRT, hang), every node in flight is a suspect and
runs alone; two crashes while alone quarantine it. A SIGKILL came from outside and blames nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.ir.ids import NodeId, WorkerId

SOLO_CRASHES_TO_QUARANTINE = 2
CIRCUIT_CRASHES = 5
CIRCUIT_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one crash. `circuit_open`: too many crashes with nothing completed."""

    delay_s: float
    suspects: tuple[NodeId, ...]
    quarantined: tuple[NodeId, ...]
    circuit_open: bool


@dataclass(slots=True)
class Supervisor:
    """Crash history of all workers of a run."""

    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    _crashes: list[float] = field(default_factory=list)
    _streak: dict[WorkerId, int] = field(default_factory=dict)
    _solo_crashes: dict[NodeId, int] = field(default_factory=dict)

    def absorb_success(self, worker: WorkerId) -> None:
        """Something completed: the back-off and the circuit start afresh."""
        self._crashes.clear()
        self._streak.pop(worker, None)

    def absorb_crash(
        self, worker: WorkerId, in_flight: tuple[NodeId, ...], *, solo: bool, blamed: bool, at: float
    ) -> Verdict:
        """Judge a crash. `solo` says that the only node in flight was a suspect running alone."""
        streak = self._streak[worker] = self._streak.get(worker, 0) + 1
        self._crashes = [t for t in self._crashes if at - t < CIRCUIT_WINDOW_S] + [at]
        quarantined: tuple[NodeId, ...] = ()
        suspects: tuple[NodeId, ...] = ()
        if blamed and solo:
            suspects, quarantined = self._judge_solo(in_flight)
        elif blamed:
            suspects = in_flight
        if quarantined:
            self._crashes.clear()  # a row was settled: that is progress
        delay = 0.0 if streak == 1 else min(self.backoff_s * 2 ** (streak - 2), self.backoff_max_s)
        return Verdict(delay, suspects, quarantined, len(self._crashes) >= CIRCUIT_CRASHES)

    def _judge_solo(self, in_flight: tuple[NodeId, ...]) -> tuple[tuple[NodeId, ...], tuple[NodeId, ...]]:
        suspects: list[NodeId] = []
        quarantined: list[NodeId] = []
        for node in in_flight:
            count = self._solo_crashes[node] = self._solo_crashes.get(node, 0) + 1
            (quarantined if count >= SOLO_CRASHES_TO_QUARANTINE else suspects).append(node)
        return tuple(suspects), tuple(quarantined)
