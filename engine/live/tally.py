"""What a run has come to, folded from its events: totals and the last minutes second by second.

Mutable on purpose: it absorbs every event of a run in the coordinator's thread, a few per node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from engine.ir import event as ev
from engine.ir.ids import NodeId
from engine.ir.result import Usage
from engine.live.drafts import TotalsDraft
from engine.live.totals import SERIES_S, Series, Totals, tokens_per_s

_COLUMNS = tuple(name for name in Series.__struct_fields__ if name != "from_s")


class Tally:
    """Counts so far. `at` is seconds since the attempt began.

    The rows to come are known once a window of less than `window_queries` was planned.
    """

    def __init__(self, window_queries: int | None = None) -> None:
        self._window_queries = window_queries
        self.at = 0.0
        self._totals = TotalsDraft(Totals())
        self._live: dict[NodeId, int] = {}
        self._columns: dict[str, list[int]] = {name: [] for name in _COLUMNS}
        self._from_s = 0
        self._next_s = 0
        """The first second that has no point yet."""
        self._queued: dict[str, int] = {}

    @property
    def totals(self) -> Totals:
        """The counts as a value."""
        return self._totals.value

    @property
    def tenths(self) -> int:
        """Tenths of the rows known so far that are finished."""
        totals = self._totals
        return totals.rows * 10 // totals.rows_total if totals.rows_total else 0

    @property
    def tokens_per_s(self) -> float:
        """Decoded tokens a second over the last ten seconds."""
        return self.tokens_per_s_at(self.at)

    def tokens_per_s_at(self, at: float) -> float:
        """The same as of a later moment, until which nothing was heard."""
        return tokens_per_s(self.series(), at)

    @property
    def eta_s(self) -> float | None:
        """Seconds to go, as far as can be told."""
        return self.totals.eta_s(self.at)

    def series(self) -> Series:
        """The last minutes as a value."""
        columns = {name: tuple(column) for name, column in self._columns.items()}
        return Series(from_s=self._from_s, **columns)

    def restore(
        self,
        at: float,
        totals: Totals,
        series: Series,
        live: Mapping[NodeId, int],
        queued: Mapping[str, int],
    ) -> None:
        """Go on from an earlier moment: tokens of the nodes that ran then, and what lanes had queued."""
        self.at, self._totals = at, TotalsDraft(totals)
        self._live, self._queued = dict(live), dict(queued)
        self._from_s, self._next_s = series.from_s, series.from_s + len(series.decoded)
        self._columns = {name: list(getattr(series, name)) for name in _COLUMNS}

    def note_before(self, rows: int, failed: int) -> None:
        """How many rows earlier attempts finished, and how many of those failed."""
        self._totals.change(rows_before=rows, rows_before_failed=failed)

    def advance(self, at: float) -> None:
        """Note that time has passed without an event."""
        self.at = max(self.at, at)

    def absorb(self, event: ev.Event) -> None:
        """Take one more event into account; events that change no number only advance the time."""
        if event.at > self.at:
            self.at = event.at
        handler = HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    # --- nodes --------------------------------------------------------------------------------------

    def _on_dispatched(self, event: ev.NodeDispatched) -> None:
        """A node whose worker died begins anew: its tokens of before count for nothing."""
        if event.node in self._live:
            self.forget_running((event.node,))

    def _on_tokens(self, event: ev.TokensDecoded) -> None:
        gained = event.tokens - self._live.get(event.node, 0)
        self._live[event.node] = event.tokens
        self._totals.stale = True
        self._totals.running_tokens += gained
        self._count("decoded", gained)

    def _on_completed(self, event: ev.NodeCompleted) -> None:
        totals, members, usage = self._totals, event.members, event.usage
        decoded = self._live.pop(event.node, 0)
        totals.stale = True
        totals.pairs_done += members
        if event.recalled:
            totals.change(recalled=totals.value.recalled + members)
            return
        totals.prompt_logical += usage.prompt_tokens * members if usage is not None else 0
        if event.from_cache:
            totals.change(cached=totals.value.cached + members)
            return
        totals.executed += 1
        totals.coalesced += members - 1
        totals.running_tokens -= decoded
        if usage is not None:
            self._count_usage(usage, decoded)

    def _count_usage(self, usage: Usage, decoded: int) -> None:
        totals = self._totals
        totals.prompt_tokens += usage.prompt_tokens
        totals.computed_tokens += usage.computed_tokens
        totals.reused_tokens += usage.reused_tokens
        totals.decoded_tokens += usage.decoded_tokens
        self._count("decoded", usage.decoded_tokens - decoded)
        self._count("computed", usage.computed_tokens)
        self._count("reused", usage.reused_tokens)

    def _on_coalesced(self, event: ev.NodeCoalesced) -> None:
        totals = self._totals
        totals.stale = True
        totals.pairs_done += event.members
        totals.coalesced += event.members
        totals.prompt_logical += event.prompt_tokens * event.members

    def _on_skipped(self, event: ev.NodeSkipped) -> None:
        self._settle(event.members, "recalled" if event.recalled else "skipped")

    def _on_failed(self, event: ev.NodeFailed) -> None:
        self.forget_running((event.node,))
        if event.final:
            self._settle(event.members, "recalled" if event.recalled else "failed")
        else:
            self._totals.change(retried=self.totals.retried + 1)

    def _settle(self, members: int, how: Literal["recalled", "skipped", "failed"]) -> None:
        """Pairs are done for good in one of the rarer ways."""
        totals = self.totals
        self._totals.change(pairs_done=totals.pairs_done + members, **{how: getattr(totals, how) + members})

    def forget_running(self, nodes: Iterable[NodeId]) -> None:
        """Nodes are no longer in flight although nothing came of them: their worker died."""
        lost = sum(self._live.pop(node, 0) for node in nodes)
        if lost:
            self._totals.stale = True
            self._totals.running_tokens -= lost

    # --- rows and windows ---------------------------------------------------------------------------

    def _on_query(self, event: ev.QueryFinished) -> None:
        totals = self._totals
        totals.stale = True
        totals.rows += 1
        totals.rows_failed += event.status != "ok"
        if totals.rows > totals.rows_total:
            totals.rows_total = totals.rows
        self._count("rows", 1)

    def _on_window(self, event: ev.WindowPlanned) -> None:
        totals = self.totals
        # A resumed run leaves finished rows out of its windows, so they are never full.
        full = self._window_queries is None or event.queries >= self._window_queries
        self._totals.change(
            estimate_s=totals.estimate_s + event.estimate_s,
            rows_total=totals.rows_total + event.queries,
            pairs=totals.pairs + event.logical_nodes,
            rows_known=not (full or totals.resumed),
        )
        self._do("running")

    def _on_requeued(self, event: ev.RowsRequeued) -> None:
        """Rows are taken back; the window that follows counts them again."""
        totals, taken = self.totals, len(event.rows)
        self._totals.change(
            rows=totals.rows - taken,
            rows_failed=totals.rows_failed - taken,
            rows_total=totals.rows_total - taken,
        )

    # --- the run and its workers --------------------------------------------------------------------

    def _on_started(self, event: ev.RunStarted) -> None:
        self._totals.change(run=event.run, doing="planning", resumed=event.resumed)

    def _on_paused(self, _event: ev.RunPaused) -> None:
        self._totals.change(paused=True)
        self._do("paused")

    def _on_continued(self, _event: ev.RunContinued) -> None:
        self._totals.change(paused=False)
        self._do("running")

    def _on_draining(self, _event: ev.RunDraining) -> None:
        self._totals.change(draining=True)
        self._do("stopping")

    def _on_limit(self, event: ev.LimitChanged) -> None:
        if event.limit == "total_s":
            self._totals.change(total_s=event.value)

    def _on_loading(self, event: ev.ModelLoading) -> None:
        self._do(f"loading {event.model}")

    def _on_loaded(self, _event: ev.ModelLoaded) -> None:
        self._totals.change(model_loads=self.totals.model_loads + 1)
        self._do("running")

    def _on_lost(self, _event: ev.WorkerLost) -> None:
        self._totals.change(workers_lost=self.totals.workers_lost + 1)

    def _on_lane(self, event: ev.LaneMeasured) -> None:
        self._count("queued", 0)  # seconds that passed without word keep what was known then
        self._queued[event.lane] = event.queued
        self._columns["queued"][-1] = sum(self._queued.values())

    def _on_finished(self, event: ev.RunFinished) -> None:
        to_its_end = event.report.status in ("ok", "failed_rows")
        self._totals.change(doing="finished", finished=True, rows_known=self.totals.rows_known or to_its_end)

    def _do(self, what: str) -> None:
        """Say what the run is about; that somebody stops or pauses it matters more than anything else."""
        totals = self.totals
        doing = "stopping" if totals.draining else "paused" if totals.paused else what
        self._totals.change(doing=doing)

    # --- seconds ------------------------------------------------------------------------------------

    def _count(self, name: str, number: int) -> None:
        """Add to this second's point, beginning it first if it is new."""
        if self.at >= self._next_s:
            self._begin_seconds(int(self.at) - self._next_s + 1)
        self._columns[name][-1] += number

    def _begin_seconds(self, new: int) -> None:
        queued = sum(self._queued.values())
        for name, column in self._columns.items():
            column.extend([queued if name == "queued" else 0] * min(new, SERIES_S))
            del column[: max(0, len(column) - SERIES_S)]
        self._next_s = int(self.at) + 1
        self._from_s = self._next_s - len(self._columns["decoded"])


HANDLERS: Mapping[type, Callable[[Tally, Any], None]] = {
    ev.NodeDispatched: Tally._on_dispatched,
    ev.TokensDecoded: Tally._on_tokens,
    ev.NodeCompleted: Tally._on_completed,
    ev.NodeCoalesced: Tally._on_coalesced,
    ev.NodeFailed: Tally._on_failed,
    ev.NodeSkipped: Tally._on_skipped,
    ev.QueryFinished: Tally._on_query,
    ev.WindowPlanned: Tally._on_window,
    ev.RowsRequeued: Tally._on_requeued,
    ev.RunStarted: Tally._on_started,
    ev.ModelLoading: Tally._on_loading,
    ev.ModelLoaded: Tally._on_loaded,
    ev.WorkerLost: Tally._on_lost,
    ev.LaneMeasured: Tally._on_lane,
    ev.RunFinished: Tally._on_finished,
    ev.RunPaused: Tally._on_paused,
    ev.RunContinued: Tally._on_continued,
    ev.RunDraining: Tally._on_draining,
    ev.LimitChanged: Tally._on_limit,
}
