"""Counts of a run, as they come in, and the report they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.ir.ids import QueryIndex, RunId
from engine.ir.result import (
    Completed,
    Failed,
    NodeCounts,
    NodeOutcome,
    RowCounts,
    RowStatus,
    RunReport,
    RunStatus,
    Skipped,
    TokenCounts,
    Usage,
    WorkerUse,
)


@dataclass(slots=True)
class WorkerTally:
    """One worker's use so far; `busy_since` while anything is in flight on it."""

    busy_since: float | None = None
    busy_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    restarts: int = 0


@dataclass(slots=True)
class Ledger:
    """Mutable counters; `report` freezes them."""

    rows: dict[RowStatus, int] = field(default_factory=lambda: {"ok": 0, "failed": 0, "quarantined": 0})
    logical: int = 0
    executed: int = 0
    coalesced: int = 0
    cached: int = 0
    skipped: int = 0
    failed: int = 0
    prompt_logical: int = 0
    computed: int = 0
    reused: int = 0
    decoded: int = 0
    model_loads: int = 0
    estimate_s: float = 0.0
    workers: dict[str, WorkerTally] = field(default_factory=dict)
    _bad_rows: dict[QueryIndex, RowStatus] = field(default_factory=dict)

    def count_row(self, row: QueryIndex, status: RowStatus) -> None:
        """A row is out."""
        self.rows[status] += 1
        if status != "ok":
            self._bad_rows[row] = status

    def forget_rows(self, rows: Iterable[QueryIndex]) -> None:
        """These rows are to run again: they no longer count as failed, if they failed in this attempt."""
        for row in rows:
            status = self._bad_rows.pop(row, None)
            if status is not None:
                self.rows[status] -= 1

    def count_executed(self, completed: Completed, members: int) -> None:
        self.executed += 1
        self.coalesced += members - 1
        self._count_prompt(completed.usage, members)
        if completed.usage is not None:
            self.computed += completed.usage.computed_tokens
            self.reused += completed.usage.reused_tokens
            self.decoded += completed.usage.decoded_tokens

    def count_coalesced(self, completed: Completed, members: int) -> None:
        self.coalesced += members
        self._count_prompt(completed.usage, members)

    def count_cached(self, completed: Completed, members: int) -> None:
        self.cached += members
        self._count_prompt(completed.usage, members)

    def count_recalled(self, members: int) -> None:
        """Leave out what an earlier attempt settled: its report has counted it."""
        self.logical -= members

    def count_unfinished(self, outcome: NodeOutcome, members: int) -> None:
        """Count a node that has no value; completed ones are counted by where the value came from."""
        if isinstance(outcome, Skipped):
            self.skipped += members
        elif isinstance(outcome, Failed):
            self.failed += members

    def count_load(self, worker: str, load_s: float) -> None:
        self.model_loads += 1
        self.worker(worker).load_s += load_s

    def measure(self, worker: str, prefill_s: float, decode_s: float) -> None:
        tally = self.worker(worker)
        tally.prefill_s += prefill_s
        tally.decode_s += decode_s

    def mark_busy(self, worker: str, in_flight: int, at: float) -> None:
        """Note at a change of `in_flight`: a worker is busy while anything is in flight on it."""
        tally = self.worker(worker)
        if in_flight and tally.busy_since is None:
            tally.busy_since = at
        elif not in_flight and tally.busy_since is not None:
            tally.busy_s += at - tally.busy_since
            tally.busy_since = None

    def worker(self, name: str) -> WorkerTally:
        tally = self.workers.get(name)
        if tally is None:
            tally = self.workers[name] = WorkerTally()
        return tally

    def _count_prompt(self, usage: Usage | None, members: int) -> None:
        if usage is not None:
            self.prompt_logical += usage.prompt_tokens * members

    def report(self, run: RunId, makespan_s: float, *, stopped: bool, aborted: bool) -> RunReport:
        rows = RowCounts(**self.rows)
        status: RunStatus
        if aborted:
            status = "aborted"
        elif stopped:
            status = "stopped"
        else:
            status = "failed_rows" if rows.failed or rows.quarantined else "ok"
        return RunReport(
            run=run,
            status=status,
            rows=rows,
            nodes=NodeCounts(
                logical=self.logical,
                executed=self.executed,
                coalesced=self.coalesced,
                cached=self.cached,
                skipped=self.skipped,
                failed=self.failed,
            ),
            tokens=TokenCounts(
                prompt_logical=self.prompt_logical,
                prefill_computed=self.computed,
                prefix_reused=self.reused,
                decoded=self.decoded,
            ),
            model_loads=self.model_loads,
            estimate_s=self.estimate_s,
            makespan_s=makespan_s,
            workers={
                name: WorkerUse(
                    busy_s=t.busy_s + (0.0 if t.busy_since is None else max(makespan_s - t.busy_since, 0.0)),
                    prefill_s=t.prefill_s,
                    decode_s=t.decode_s,
                    load_s=t.load_s,
                    restarts=t.restarts,
                )
                for name, t in sorted(self.workers.items())
            },
        )
