"""What a batch would come to, as one value for a person to agree to."""

from __future__ import annotations

from engine.ir.ids import OperatorId, Record, WorkerId


class OperatorWork(Record, frozen=True, kw_only=True):
    """One operator: its calls as asked for and as left after sharing. `runs_on`: a model or a tool kind."""

    operator: OperatorId
    kind: str
    runs_on: str
    calls: int
    distinct: int


class Proposal(Record, frozen=True, kw_only=True):
    """A planned batch that has not begun.

    `windowed` says that only the first window was planned and more rows may follow. `measured` is False where
    the seconds rest on guesses from models' sizes. `warm` are (worker, model) pairs that need no load.
    `explained` is the plan in words, as `haloctl plan` prints it.
    """

    number: int
    workflows: tuple[str, ...]
    queries: int
    rejected: int
    faults: tuple[str, ...]
    windowed: bool
    operators: tuple[OperatorWork, ...]
    epochs: int
    model_loads: int
    estimate_s: float
    measured: bool
    workers: tuple[WorkerId, ...]
    warm: tuple[tuple[str, str], ...]
    output: str
    explained: str

    @property
    def calls(self) -> int:
        """Calls asked for, row by row."""
        return sum(work.calls for work in self.operators)

    @property
    def distinct(self) -> int:
        """Calls that are left to make."""
        return sum(work.distinct for work in self.operators)
