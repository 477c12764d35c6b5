"""Values of the live state: what a front end shows of a run, as of one moment.

All times are seconds since the attempt began, as in events. A *pair* is one (query, operator); a node
serves one pair or several. Counters are totals since the attempt began, never differences.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, TypeAlias

from msgspec import field

from engine.ir.ids import ModelName, NodeId, OperatorId, QueryIndex, Record, WorkerId
from engine.ir.result import RunReport
from engine.live.shape import RunShape
from engine.live.totals import Series, Totals

SPANS_KEPT = 4096
FAILURES_KEPT = 256
MESSAGE_LENGTH = 500
"""Characters of a failure's message that are kept."""

LATENCY_BOUNDS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds of a latency histogram's buckets; one more bucket holds what took longer."""

SpanKind: TypeAlias = Literal["load", "wait", "prefill", "decode", "tool"]
SPAN_KINDS: tuple[SpanKind, ...] = ("load", "wait", "prefill", "decode", "tool")
WorkerStatus: TypeAlias = Literal["starting", "ready", "loading", "lost"]


class QueryStatus(IntEnum):
    """How a row stands: one byte each in `LiveSnapshot.queries`. ABSENT: not read, or of no window yet."""

    ABSENT = 0
    PENDING = 1
    RUNNING = 2
    OK = 3
    FAILED = 4
    QUARANTINED = 5


class OperatorLive(Record, frozen=True, kw_only=True):
    """One operator's pairs and work. `total` = waiting + ready + running + settled pairs.

    done: executed, one pair a node. coalesced: served by another pair's execution, merged while planning or
    coalesced while running. `recalled`: an earlier attempt settled them. `blocked`: those of `failed` that
    were not made, because what they read failed. `ready` is sampled once a second.
    `busy_s` sums the seconds of its calls, side by side or not; `latency` counts them by LATENCY_BOUNDS_S.
    """

    id: OperatorId
    total: int = 0
    ready: int = 0
    running: int = 0
    done: int = 0
    coalesced: int = 0
    cached: int = 0
    recalled: int = 0
    skipped: int = 0
    failed: int = 0
    blocked: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    decoded_tokens: int = 0
    busy_s: float = 0.0
    first_s: float | None = None
    last_s: float = 0.0
    latency: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_S) + 1)

    @property
    def settled(self) -> int:
        """Pairs that are done for good, however."""
        return self.done + self.coalesced + self.cached + self.recalled + self.skipped + self.failed

    @property
    def waiting(self) -> int:
        """Pairs whose inputs are not there yet."""
        return max(0, self.total - self.settled - self.running - self.ready)


class LaneLive(Record, frozen=True, kw_only=True):
    """What a lane has in hand, a worker's or a tool kind's; `queued`, `ready` and `limit` are sampled.

    `running` counts nodes in flight, those queued inside the worker included; `limit` is how many the lane
    takes at once; `ready` are the pairs of the queued nodes by operator. `busy_s` is time with anything in
    flight: add `at - busy_since_s` while that is not None.
    """

    lane: str
    tool: bool = True
    running: int = 0
    queued: int = 0
    limit: int = 0
    done: int = 0
    failed: int = 0
    decoded_tokens: int = 0
    busy_s: float = 0.0
    busy_since_s: float | None = None
    ready: dict[OperatorId, int] = field(default_factory=dict)


class WorkerLive(Record, frozen=True, kw_only=True):
    """One worker process; its lane has the same name. `models` are resident, latest last."""

    id: WorkerId
    status: WorkerStatus = "starting"
    pid: int = 0
    backend: str = ""
    models: tuple[ModelName, ...] = ()
    loading: ModelName | None = None
    loading_since_s: float = 0.0
    restarts: int = 0
    lost_reason: str = ""
    loads: int = 0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    evicted_tokens: int = 0
    slots: int = 0
    sequences: int = 0
    """Sequences in its batches now, of at most `slots` a model; `waiting` requests have none yet."""
    waiting: int = 0
    resident_bytes: int = 0
    memory_bytes: int = 0
    cells_used: int = 0
    cells_total: int = 0


class RunningNode(Record, frozen=True, kw_only=True):
    """A node in flight. `slot` is the lowest number of its lane that was free; `query` is one of its rows."""

    node: NodeId
    operator: OperatorId
    lane: str
    slot: int
    since_s: float
    attempt: int = 1
    members: int = 1
    query: QueryIndex | None = None
    tokens: int = 0
    first_token_s: float | None = None


class ChannelLive(Record, frozen=True, kw_only=True):
    """A channel between actors."""

    channel: str
    depth: int
    high_water: int
    blocked_s: float


class WindowLive(Record, frozen=True, kw_only=True):
    """A planned window; `left` counts its nodes that are not settled."""

    index: int
    planned_s: float
    queries: int
    nodes: int
    pairs: int
    estimate_s: float
    planner: str
    left: int
    finished_s: float | None = None


class EpochLive(Record, frozen=True, kw_only=True):
    """When an epoch of the plan really began and ended; its plan is in `RunShape.epochs`."""

    index: int
    started_s: float | None = None
    finished_s: float | None = None


class Span(Record, array_like=True, frozen=True, kw_only=True):
    """Something took time on a lane: one bar of a Gantt chart. `what` is an operator, or a model loaded.

    Spans of one lane and slot do not overlap; loads have slot -1 and no node. `ok` is False for attempts
    that failed or were lost.
    """

    lane: str
    slot: int
    kind: SpanKind
    start_s: float
    end_s: float
    what: str
    node: NodeId | None = None
    ok: bool = True


class LaneUse(Record, frozen=True, kw_only=True):
    """How a lane's time went, from the start: slot-seconds of each span kind in buckets of `width_s`.

    `seconds` holds float32 of this machine, bucket after bucket, in each the kinds of SPAN_KINDS: read them
    with `engine.live.uses.use_seconds`. The width doubles when the run outgrows the buckets, so that this
    stays small however long the run.
    """

    lane: str
    width_s: float
    seconds: bytes


class FailureLive(Record, frozen=True, kw_only=True):
    """A failed attempt; `final` when it will not be made again. `query` is one of the node's rows."""

    at: float
    node: NodeId
    operator: OperatorId
    code: str
    message: str
    final: bool
    members: int = 1
    query: QueryIndex | None = None


class LiveSnapshot(Record, frozen=True, kw_only=True):
    """All of a run's live state; encodable, and small whatever the size of the run: a few bytes a query.

    `queries[i]` is the QueryStatus of row i, `steps[i]` how many of its pairs are settled, of
    `steps_total[i]` (255 stands for any more). `under_way[i]` says which operator has a call in
    flight for it: its place in the shape, from 1 (255 stands for any further on), 0 for none; of several the
    last. `spans` and `failures` are the latest; `…_seen` counts all there were, `…_dropped` those a viewer
    was not told of.
    """

    at: float = 0.0
    attempt: int = 1
    shape: RunShape = RunShape()
    totals: Totals = Totals()
    series: Series = Series()
    operators: tuple[OperatorLive, ...] = ()
    lanes: tuple[LaneLive, ...] = ()
    workers: tuple[WorkerLive, ...] = ()
    channels: tuple[ChannelLive, ...] = ()
    windows: tuple[WindowLive, ...] = ()
    epochs: tuple[EpochLive, ...] = ()
    running: tuple[RunningNode, ...] = ()
    queries: bytes = b""
    steps: bytes = b""
    steps_total: bytes = b""
    under_way: bytes = b""
    spans: tuple[Span, ...] = ()
    spans_seen: int = 0
    spans_dropped: int = 0
    uses: tuple[LaneUse, ...] = ()
    failures: tuple[FailureLive, ...] = ()
    failures_seen: int = 0
    failures_dropped: int = 0
    report: RunReport | None = None
