"""What changed in a run's live state between two moments, as one numbered batch for a viewer.

What a viewer waits for is the difference between the last snapshot it knows and the latest: one that falls
behind is given fewer, larger steps, never a longer queue. A batch holds the latest value of whatever changed,
once, and the newest spans and failures up to a limit. What is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from engine.ir.ids import NodeId, Record
from engine.ir.result import RunReport
from engine.live.patches import Patch, SeriesTail, changed_bytes, patched, series_tail, with_tail
from engine.live.shape import RunShape
from engine.live.state import (
    FAILURES_KEPT,
    SPANS_KEPT,
    ChannelLive,
    EpochLive,
    FailureLive,
    LaneLive,
    LaneUse,
    LiveSnapshot,
    OperatorLive,
    RunningNode,
    Span,
    WindowLive,
    WorkerLive,
)
from engine.live.totals import Totals

SPANS_A_BATCH = 512
FAILURES_A_BATCH = 64

V = TypeVar("V", OperatorLive, LaneLive, WorkerLive, ChannelLive, WindowLive, EpochLive, RunningNode)
S = TypeVar("S", Span, FailureLive)


class UsePatch(Record, frozen=True, kw_only=True):
    """Changed parts of one lane's use; all of it where the width changed or the lane is new."""

    lane: str
    width_s: float
    patches: tuple[Patch, ...]
    whole: bool = False


class LiveBatch(Record, frozen=True, kw_only=True):
    """What changed between two moments; `seq` numbers the later one.

    None and empty stand for "unchanged". Values are whole and the latest; `running_gone` are nodes no longer
    in flight. `reset` replaces everything: a new attempt began.
    """

    seq: int
    at: float
    reset: LiveSnapshot | None = None
    shape: RunShape | None = None
    totals: Totals | None = None
    series: SeriesTail | None = None
    operators: tuple[OperatorLive, ...] = ()
    lanes: tuple[LaneLive, ...] = ()
    workers: tuple[WorkerLive, ...] = ()
    channels: tuple[ChannelLive, ...] = ()
    windows: tuple[WindowLive, ...] = ()
    epochs: tuple[EpochLive, ...] = ()
    running: tuple[RunningNode, ...] = ()
    running_gone: tuple[NodeId, ...] = ()
    queries: tuple[Patch, ...] = ()
    steps: tuple[Patch, ...] = ()
    steps_total: tuple[Patch, ...] = ()
    under_way: tuple[Patch, ...] = ()
    spans: tuple[Span, ...] = ()
    spans_seen: int = 0
    spans_dropped: int = 0
    uses: tuple[UsePatch, ...] = ()
    failures: tuple[FailureLive, ...] = ()
    failures_seen: int = 0
    failures_dropped: int = 0
    report: RunReport | None = None


def difference(told: LiveSnapshot, now: LiveSnapshot, *, seq: int = 1) -> LiveBatch | None:
    """What a viewer who knows `told` must hear to know `now`; None if only the time differs."""
    if told.attempt != now.attempt:
        return LiveBatch(seq=seq, at=now.at, reset=now)
    spans = _newest(now.spans, now.spans_seen - told.spans_seen, SPANS_A_BATCH)
    failures = _newest(now.failures, now.failures_seen - told.failures_seen, FAILURES_A_BATCH)
    batch = LiveBatch(
        seq=seq,
        at=now.at,
        shape=None if now.shape is told.shape else now.shape,
        totals=None if now.totals == told.totals else now.totals,
        series=series_tail(told.series, now.series),
        operators=_changed(told.operators, now.operators),
        lanes=_changed(told.lanes, now.lanes),
        workers=_changed(told.workers, now.workers),
        channels=_changed(told.channels, now.channels),
        windows=_changed(told.windows, now.windows),
        epochs=_changed(told.epochs, now.epochs),
        running=_changed(told.running, now.running),
        running_gone=_gone(told.running, now.running),
        queries=changed_bytes(told.queries, now.queries),
        steps=changed_bytes(told.steps, now.steps),
        steps_total=changed_bytes(told.steps_total, now.steps_total),
        under_way=changed_bytes(told.under_way, now.under_way),
        spans=spans,
        spans_seen=now.spans_seen,
        spans_dropped=now.spans_seen - told.spans_seen - len(spans),
        uses=_use_patches(told.uses, now.uses),
        failures=failures,
        failures_seen=now.failures_seen,
        failures_dropped=now.failures_seen - told.failures_seen - len(failures),
        report=None if now.report is told.report else now.report,
    )
    return None if batch == _unchanged(batch) else batch


def apply(told: LiveSnapshot, batch: LiveBatch) -> LiveSnapshot:
    """What a viewer knows after one more batch. Batches are applied in the order of their numbers."""
    if batch.reset is not None:
        return batch.reset
    return LiveSnapshot(
        at=batch.at,
        attempt=told.attempt,
        shape=batch.shape or told.shape,
        totals=batch.totals or told.totals,
        series=told.series if batch.series is None else with_tail(told.series, batch.series),
        operators=_replaced(told.operators, batch.operators),
        lanes=_replaced(told.lanes, batch.lanes),
        workers=_replaced(told.workers, batch.workers),
        channels=_replaced(told.channels, batch.channels),
        windows=_replaced(told.windows, batch.windows),
        epochs=_replaced(told.epochs, batch.epochs),
        running=_running(told.running, batch),
        queries=patched(told.queries, batch.queries),
        steps=patched(told.steps, batch.steps),
        steps_total=patched(told.steps_total, batch.steps_total),
        under_way=patched(told.under_way, batch.under_way),
        spans=(told.spans + batch.spans)[-SPANS_KEPT:],
        spans_seen=batch.spans_seen,
        spans_dropped=told.spans_dropped + batch.spans_dropped,
        uses=_uses(told.uses, batch.uses),
        failures=(told.failures + batch.failures)[-FAILURES_KEPT:],
        failures_seen=batch.failures_seen,
        failures_dropped=told.failures_dropped + batch.failures_dropped,
        report=batch.report or told.report,
    )


def _unchanged(batch: LiveBatch) -> LiveBatch:
    """What a batch looks like that says nothing."""
    return LiveBatch(
        seq=batch.seq, at=batch.at, spans_seen=batch.spans_seen, failures_seen=batch.failures_seen
    )


def _key(value: Record) -> object:
    """The first field of a live value names it."""
    return getattr(value, value.__struct_fields__[0])


def _changed(told: tuple[V, ...], now: tuple[V, ...]) -> tuple[V, ...]:
    """Values that are not the very ones told: the fold replaces a value when it changes, and only then."""
    if told is now:
        return ()
    before = {_key(value): value for value in told}
    return tuple(value for value in now if before.get(_key(value)) is not value)


def _gone(told: tuple[RunningNode, ...], now: tuple[RunningNode, ...]) -> tuple[NodeId, ...]:
    still = {running.node for running in now}
    return tuple(running.node for running in told if running.node not in still)


def _replaced(told: tuple[V, ...], news: Iterable[V]) -> tuple[V, ...]:
    values = {_key(value): value for value in told}
    values.update((_key(value), value) for value in news)
    return tuple(values.values())


def _running(told: tuple[RunningNode, ...], batch: LiveBatch) -> tuple[RunningNode, ...]:
    gone = frozenset(batch.running_gone)
    kept = tuple(running for running in told if running.node not in gone)
    return tuple(sorted(_replaced(kept, batch.running), key=lambda running: running.node))


def _newest(kept: tuple[S, ...], new: int, limit: int) -> tuple[S, ...]:
    """The newest of `new` entries that came since, as far as they are kept and within the limit."""
    count = min(new, limit, len(kept))
    return kept[len(kept) - count :]


def _use_patches(told: tuple[LaneUse, ...], now: tuple[LaneUse, ...]) -> tuple[UsePatch, ...]:
    before = {use.lane: use for use in told}
    return tuple(_use_patch(before.get(use.lane), use) for use in now if before.get(use.lane) is not use)


def _use_patch(before: LaneUse | None, use: LaneUse) -> UsePatch:
    whole = before is None or before.width_s != use.width_s
    base = b"" if before is None or whole else before.seconds
    patches = changed_bytes(base, use.seconds)
    return UsePatch(lane=use.lane, width_s=use.width_s, patches=patches, whole=whole)


def _uses(told: tuple[LaneUse, ...], patches: Iterable[UsePatch]) -> tuple[LaneUse, ...]:
    uses = {use.lane: use for use in told}
    for patch in patches:
        base = b"" if patch.whole else uses[patch.lane].seconds
        seconds = patched(base, patch.patches)
        uses[patch.lane] = LaneUse(lane=patch.lane, width_s=patch.width_s, seconds=seconds)
    return tuple(uses.values())
