"""`LiveState`: a run's events folded into what front ends show, one at a time.

Mutable while it folds, for a run tells tens of thousands of events a second; `snapshot` gives a value, and
`LiveState.of` goes on from one. What it holds is bounded: a few bytes a row, a value an operator, lane,
worker, window and epoch, the nodes in flight, and the latest spans and failures. Nothing is kept of a node
once it is settled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.ir import event as ev
from engine.ir.ids import OperatorId
from engine.ir.result import UPSTREAM_FAILED, RowStatus, RunReport
from engine.live.begun import begun
from engine.live.drafts import RunningDraft
from engine.live.lanes import NOBODY, Begun, Lanes
from engine.live.membership import KnownPlans, WindowMembers
from engine.live.operators import Operators, Settled
from engine.live.rows import Rows, under_way
from engine.live.state import (
    FAILURES_KEPT,
    MESSAGE_LENGTH,
    ChannelLive,
    FailureLive,
    LiveSnapshot,
    QueryStatus,
    RunningNode,
)
from engine.live.tally import Tally
from engine.live.windows import Windows
from engine.live.workers import Workers


class LiveState:
    """What a run has come to. `plans` must be told of a window's plan before the event that it was planned.

    Where a plan is not known, rows and operators are followed as far as events name them.
    """

    def __init__(self, plans: KnownPlans | None = None, window_queries: int | None = None) -> None:
        self.plans = KnownPlans() if plans is None else plans
        self._window_queries = window_queries
        self._attempt = 0
        self._begin(Rows())

    def _begin(self, rows: Rows) -> None:
        """What a new attempt begins with."""
        self._attempt += 1
        self._tally = Tally(self._window_queries)
        self._operators = Operators()
        self._lanes = Lanes()
        self._workers = Workers()
        self._rows = rows
        self._note_before()
        self._windows = Windows(self.plans, self._attempt)
        self._channels: dict[str, ChannelLive] = {}
        self._failures: deque[FailureLive] = deque(maxlen=FAILURES_KEPT)
        self._failures_seen = 0
        self._report: RunReport | None = None

    def take_over(self, rows: Iterable[tuple[int, RowStatus]]) -> None:
        """Rows that earlier attempts finished, by index: for a resumed run, before its first event."""
        for row, status in rows:
            self._rows.finish(row, status)
        self._note_before()

    def _note_before(self) -> None:
        self._tally.note_before(*self._rows.finished())

    @classmethod
    def of(
        cls, snapshot: LiveSnapshot, plans: KnownPlans | None = None, window_queries: int | None = None
    ) -> LiveState:
        """The state as it was at a snapshot, ready to absorb what came after."""
        state = cls(plans, window_queries)
        state._restore(snapshot)
        return state

    def _restore(self, then: LiveSnapshot) -> None:
        self._attempt = then.attempt
        tokens = {node.node: node.tokens for node in then.running if node.first_token_s is not None}
        queued = {lane.lane: lane.queued for lane in then.lanes}
        self._tally.restore(then.at, then.totals, then.series, tokens, queued)
        self._operators = Operators(then.operators)
        self._lanes.restore(then.lanes, then.running, then.spans, then.spans_seen, then.uses)
        self._workers = Workers(then.workers)
        self._rows = Rows(then.queries, then.steps, then.steps_total)
        self._windows = Windows(self.plans, then.attempt)
        self._windows.restore(then.windows, then.epochs, then.shape)
        self._channels = {channel.channel: channel for channel in then.channels}
        self._failures.extend(then.failures)
        self._failures_seen = then.failures_seen
        self._report = then.report

    @property
    def tally(self) -> Tally:
        """The run's totals, as they go on to be counted; another one once a new attempt begins."""
        return self._tally

    @property
    def attempt(self) -> int:
        """Which attempt at the run this is, from 1."""
        return self._attempt

    @property
    def windows(self) -> int:
        """How many windows were planned in this attempt."""
        return len(self._windows)

    def snapshot(self) -> LiveSnapshot:
        """All of it as a value. Values that did not change are the same objects as in the last snapshot."""
        running = self._lanes.running()
        return LiveSnapshot(
            at=self._tally.at,
            attempt=self._attempt,
            shape=self._windows.shape,
            totals=self._tally.totals,
            series=self._tally.series(),
            operators=self._operators.values(),
            lanes=self._lanes.values(),
            workers=tuple(self._workers.values.values()),
            channels=tuple(self._channels.values()),
            windows=self._windows.values(),
            epochs=tuple(self._windows.epochs.values()),
            running=running,
            queries=bytes(self._rows.status),
            steps=bytes(self._rows.steps),
            steps_total=bytes(self._rows.steps_total),
            under_way=under_way(len(self._rows.status), self._calls(running)),
            spans=self._lanes.spans(),
            spans_seen=self._lanes.spans_seen,
            uses=self._lanes.uses(),
            failures=tuple(self._failures),
            failures_seen=self._failures_seen,
            report=self._report,
        )

    def _calls(self, running: Iterable[RunningNode]) -> Iterator[tuple[int, Sequence[int]]]:
        """The nodes in flight: the place of each one's operator, and the rows it serves, as far as known."""
        places = {operator.id: at for at, operator in enumerate(self._windows.shape.operators, 1)}
        for node in running:
            window = self._windows.find(node.node)
            if node.operator in places and window is not None:
                yield places[node.operator], window.members.queries_of(node.node)

    def advance(self, at: float) -> None:
        """Note that time has passed without an event."""
        self._tally.advance(at)

    def absorb(self, event: ev.Event) -> None:
        """Take the next event into account."""
        kind = type(event)
        if kind is ev.RunStarted and self._tally.totals.run:
            self._begin(self._rows.finished_only())
        self._tally.absorb(event)
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)

    # --- nodes --------------------------------------------------------------------------------------

    def _on_dispatched(self, event: ev.NodeDispatched) -> None:
        window = self._windows.find(event.node)
        if window is None:
            self._lanes.dispatch(event, None)
            self._operators.dispatch({event.operator: event.members}, event.at)
            return
        members = window.members
        self._lanes.dispatch(event, members.first_query(event.node))
        self._operators.dispatch(members.pairs_of(event.node), event.at)
        self._rows.start(members.queries_of(event.node))

    def _on_tokens(self, event: ev.TokensDecoded) -> None:
        self._lanes.decode(event)

    def _on_completed(self, event: ev.NodeCompleted) -> None:
        was_out = self._lanes.complete(event)
        pairs = self._settle(event)
        if event.from_cache or event.recalled:
            how: Settled = "recalled" if event.recalled else "cached"
            self._operators.settle(pairs, how, event.at, running=was_out)
            return
        took_s = max(0.0, event.at - event.started_s - event.waited_s)
        self._operators.complete(pairs, took_s, event.usage, event.at, running=was_out)

    def _on_coalesced(self, event: ev.NodeCoalesced) -> None:
        self._operators.settle(self._settle(event), "coalesced", event.at, running=False)

    def _on_skipped(self, event: ev.NodeSkipped) -> None:
        how: Settled = "recalled" if event.recalled else "skipped"
        self._operators.settle(self._settle(event), how, event.at, running=False)

    def _on_failed(self, event: ev.NodeFailed) -> None:
        slots = self._begun() if self._lanes.awaits_token(event.node) else NOBODY
        was_out = self._lanes.fail(event.node, event.at, slots)
        if event.final:
            how: Settled = "recalled" if event.recalled else "failed"
            pairs = self._settle(event)
            blocked = how == "failed" and event.failure.code == UPSTREAM_FAILED
            self._operators.settle(pairs, how, event.at, running=was_out, blocked=blocked)
        elif was_out:
            pairs = self._windows.pairs(event.node, event.operator, event.members)
            self._operators.give_back(pairs, failed=True)
        if not event.recalled:
            self._note_failure(event)

    def _note_failure(self, event: ev.NodeFailed) -> None:
        window = self._windows.find(event.node)
        failure = event.failure
        self._failures_seen += 1
        self._failures.append(
            FailureLive(
                at=event.at,
                node=event.node,
                operator=event.operator,
                code=failure.code,
                message=failure.message[:MESSAGE_LENGTH],
                final=event.final,
                members=event.members,
                query=None if window is None else window.members.first_query(event.node),
            )
        )

    def _settle(
        self, event: ev.NodeCompleted | ev.NodeCoalesced | ev.NodeSkipped | ev.NodeFailed
    ) -> Mapping[OperatorId, int]:
        """A node is settled: its window and rows have one less to wait for. Returns the pairs it served."""
        window = self._windows.find(event.node)
        if window is None:
            return {event.operator: event.members}
        self._rows.settle(window.members.queries_of(event.node))
        self._windows.settle(window, event.at)
        return window.members.pairs_of(event.node)

    # --- rows and windows ---------------------------------------------------------------------------

    def _on_query(self, event: ev.QueryFinished) -> None:
        self._rows.finish(event.query, event.status)

    def _on_requeued(self, event: ev.RowsRequeued) -> None:
        self._rows.take_back(event.rows)

    def _on_window(self, event: ev.WindowPlanned) -> None:
        known = self._windows.plan(event)
        if known is not None:
            self._plan_rows(known.members)
            ids = (operator.id for operator in known.shape.operators)
            self._operators.add(ids, known.members.pairs_of_operators())

    def _plan_rows(self, members: WindowMembers) -> None:
        """Rows join; those an earlier attempt had finished are tried again (failed ones, when asked for)."""
        pairs = members.pairs_of_rows()
        again = [self._rows.status[row] for row in pairs if row < len(self._rows.status)]
        failed = sum(status in (QueryStatus.FAILED, QueryStatus.QUARANTINED) for status in again)
        finished = failed + again.count(QueryStatus.OK)
        totals = self._tally.totals
        self._tally.note_before(totals.rows_before - finished, totals.rows_before_failed - failed)
        self._rows.plan(pairs)

    # --- workers and lanes --------------------------------------------------------------------------

    def _on_worker_ready(self, event: ev.WorkerReady) -> None:
        self._workers.ready(event)
        self._lanes.get(event.worker, tool=False)

    def _on_worker_lost(self, event: ev.WorkerLost) -> None:
        lost = self._lanes.empty(event.worker, event.at, self._begun())  # as long as its models are known
        self._workers.lost(event)
        self._give_back(lost)

    def _begun(self) -> Begun:
        """Calls in flight without a token, and since when they are computed."""
        workers, operators = self._workers.values.values(), self._windows.shape.operators
        return begun(self._lanes.running(), workers, operators, self._lanes.spans())

    def _on_loaded(self, event: ev.ModelLoaded) -> None:
        began_s = self._workers.loaded(event)
        self._lanes.load(event.worker, event.model, began_s, event.at)

    def _on_lane(self, event: ev.LaneMeasured) -> None:
        lane = self._lanes.get(event.lane)
        self._operators.measure(lane.value.ready, event.ready)
        lane.change(queued=event.queued, limit=event.limit, ready=event.ready)

    def _on_limit(self, event: ev.LimitChanged) -> None:
        _kind, _, name = event.limit.partition(".")
        if name and event.value is not None:
            self._lanes.get(name).change(limit=int(event.value))

    def _on_channel(self, event: ev.ChannelMeasured) -> None:
        self._channels[event.channel] = ChannelLive(
            channel=event.channel,
            depth=event.depth,
            high_water=event.high_water,
            blocked_s=event.blocked_s,
        )

    def _on_finished(self, event: ev.RunFinished) -> None:
        self._report = event.report
        self._give_back(self._lanes.empty_all(event.at, self._begun()))
        self._rows.stop()

    def _give_back(self, lost: list[RunningDraft]) -> None:
        self._tally.forget_running(node.node for node in lost)
        for node in lost:
            pairs = self._windows.pairs(node.node, node.operator, node.members)
            self._operators.give_back(pairs, failed=False)


_HANDLERS: dict[type, Callable[[LiveState, Any], None]] = {
    ev.NodeDispatched: LiveState._on_dispatched,
    ev.TokensDecoded: LiveState._on_tokens,
    ev.NodeCompleted: LiveState._on_completed,
    ev.NodeCoalesced: LiveState._on_coalesced,
    ev.NodeFailed: LiveState._on_failed,
    ev.NodeSkipped: LiveState._on_skipped,
    ev.QueryFinished: LiveState._on_query,
    ev.RowsRequeued: LiveState._on_requeued,
    ev.WindowPlanned: LiveState._on_window,
    ev.EpochStarted: lambda state, event: state._windows.start_epoch(event),
    ev.EpochFinished: lambda state, event: state._windows.finish_epoch(event),
    ev.WorkerReady: LiveState._on_worker_ready,
    ev.WorkerLost: LiveState._on_worker_lost,
    ev.ModelLoading: lambda state, event: state._workers.loading(event),
    ev.ModelLoaded: LiveState._on_loaded,
    ev.ModelUnloaded: lambda state, event: state._workers.unloaded(event),
    ev.PrefixEvicted: lambda state, event: state._workers.evicted(event),
    ev.WorkerMeasured: lambda state, event: state._workers.measured(event),
    ev.LaneMeasured: LiveState._on_lane,
    ev.LimitChanged: LiveState._on_limit,
    ev.ChannelMeasured: LiveState._on_channel,
    ev.RunFinished: LiveState._on_finished,
}
