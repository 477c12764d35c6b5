"""Events: what the processor tells the journal, progress bars, the TUI and traces.

`at` is seconds since the run started (monotonic). Events carry ids, not payloads.
"""

from __future__ import annotations

from typing import TypeAlias

from engine.ir.ids import ModelName, NodeId, OperatorId, QueryIndex, Record, RunId, WorkerId
from engine.ir.result import Failure, RowStatus, RunReport, Usage


class RunStarted(Record, tag=True, frozen=True, kw_only=True):
    """A run, or a resumed run, begins."""

    at: float
    run: RunId
    resumed: bool = False


class WindowPlanned(Record, tag=True, frozen=True, kw_only=True):
    """A window of queries was consolidated and planned."""

    at: float
    queries: int
    nodes: int
    logical_nodes: int
    estimate_s: float
    planner: str


class EpochStarted(Record, tag=True, frozen=True, kw_only=True):
    """The first node of an epoch was dispatched."""

    at: float
    index: int


class EpochFinished(Record, tag=True, frozen=True, kw_only=True):
    """The last node of an epoch settled."""

    at: float
    index: int


class NodeDispatched(Record, tag=True, frozen=True, kw_only=True):
    """A node went to a worker or a tool kind (`lane`)."""

    at: float
    node: NodeId
    operator: OperatorId
    lane: str
    attempt: int
    members: int = 1


class TokensDecoded(Record, tag=True, frozen=True, kw_only=True):
    """Progress of one generation; coalesced per tick."""

    at: float
    node: NodeId
    tokens: int


class NodeCompleted(Record, tag=True, frozen=True, kw_only=True):
    """A node has its value, for `members` (query, operator) pairs.

    `from_cache`: from the result cache, or, with `recalled`, from an earlier attempt at the run. After
    `started_s` a generation waited `waited_s` for a slot, then took `prefill_s` to its first token.
    """

    at: float
    node: NodeId
    operator: OperatorId
    lane: str
    members: int
    started_s: float
    usage: Usage | None = None
    waited_s: float = 0.0
    prefill_s: float = 0.0
    from_cache: bool = False
    recalled: bool = False


class NodeCoalesced(Record, tag=True, frozen=True, kw_only=True):
    """A node took its value from `leader`, which did identical work; its prompt has `prompt_tokens`."""

    at: float
    node: NodeId
    operator: OperatorId
    leader: NodeId
    members: int
    prompt_tokens: int = 0


class NodeFailed(Record, tag=True, frozen=True, kw_only=True):
    """An attempt failed; `final` when it will not be retried. `recalled`: in an earlier attempt."""

    at: float
    node: NodeId
    operator: OperatorId
    failure: Failure
    final: bool
    members: int = 1
    recalled: bool = False


class NodeSkipped(Record, tag=True, frozen=True, kw_only=True):
    """A node's condition was false or its input was skipped. `recalled`: in an earlier attempt at the run."""

    at: float
    node: NodeId
    operator: OperatorId
    members: int
    reason: str
    recalled: bool = False


class QueryFinished(Record, tag=True, frozen=True, kw_only=True):
    """A row is complete."""

    at: float
    query: QueryIndex
    id: str
    status: RowStatus


class WorkerReady(Record, tag=True, frozen=True, kw_only=True):
    """A worker process answered its handshake; `resident` are models that an earlier run left on it."""

    at: float
    worker: WorkerId
    pid: int
    backend: str
    resident: tuple[ModelName, ...] = ()
    slots: int = 0
    memory_bytes: int = 0


class WorkerLost(Record, tag=True, frozen=True, kw_only=True):
    """A worker process died; in-flight nodes are returned."""

    at: float
    worker: WorkerId
    reason: str
    in_flight: int


class ModelLoading(Record, tag=True, frozen=True, kw_only=True):
    """A worker started loading a model."""

    at: float
    worker: WorkerId
    model: ModelName


class ModelLoaded(Record, tag=True, frozen=True, kw_only=True):
    """A model is resident on a worker."""

    at: float
    worker: WorkerId
    model: ModelName
    load_s: float


class ModelUnloaded(Record, tag=True, frozen=True, kw_only=True):
    """A model left a worker to make room."""

    at: float
    worker: WorkerId
    model: ModelName


class PrefixReused(Record, tag=True, frozen=True, kw_only=True):
    """Prompt tokens taken from the prefix cache by a node."""

    at: float
    worker: WorkerId
    node: NodeId
    tokens: int


class PrefixEvicted(Record, tag=True, frozen=True, kw_only=True):
    """Prefix tokens dropped since the last such event: memory was short, or nobody had used them for long."""

    at: float
    worker: WorkerId
    tokens: int


class PrefixMoved(Record, tag=True, frozen=True, kw_only=True):
    """A prefix state was exported from one worker and imported by another."""

    at: float
    source: WorkerId
    target: WorkerId
    tokens: int


class ChannelMeasured(Record, tag=True, frozen=True, kw_only=True):
    """A channel's own statistics: depth now, high-water mark, seconds senders were blocked."""

    at: float
    channel: str
    depth: int
    high_water: int
    blocked_s: float


class LaneMeasured(Record, tag=True, frozen=True, kw_only=True):
    """A lane's queue, told once a second while it changes: a worker's, or a tool kind's.

    `queued` nodes are ready and wait for the lane, `ready` counts their (query, operator) pairs by operator;
    `in_flight` are out, of at most `limit` at once.
    """

    at: float
    lane: str
    queued: int
    in_flight: int
    limit: int
    ready: dict[OperatorId, int]


class WorkerMeasured(Record, tag=True, frozen=True, kw_only=True):
    """What a worker process said of itself, told once a second while it changes.

    Seconds are totals of the run; `sequences` run in its batches, `waiting` requests wait in it for a slot,
    `cells` are key-value cells of the resident models.
    """

    at: float
    worker: WorkerId
    prefill_s: float
    decode_s: float
    sequences: int
    waiting: int
    resident_bytes: int
    cells_used: int
    cells_total: int


class RunPaused(Record, tag=True, frozen=True, kw_only=True):
    """Somebody paused the run: nothing is dispatched until it goes on; what runs finishes."""

    at: float


class RunContinued(Record, tag=True, frozen=True, kw_only=True):
    """A paused run goes on."""

    at: float


class RunDraining(Record, tag=True, frozen=True, kw_only=True):
    """The run stops before its end: what runs may finish, unless `at_once`."""

    at: float
    at_once: bool = False


class RowsRequeued(Record, tag=True, frozen=True, kw_only=True):
    """Rows that had failed are taken back and run again; a WindowPlanned with them follows.

    `quarantined` of them had been quarantined.
    """

    at: float
    rows: tuple[QueryIndex, ...]
    quarantined: int = 0


class LimitChanged(Record, tag=True, frozen=True, kw_only=True):
    """Somebody changed a limit: `tool.KIND` (calls), `worker.NAME` (sequences) or `total_s` (None: none)."""

    at: float
    limit: str
    value: float | None


class RunFinished(Record, tag=True, frozen=True, kw_only=True):
    """The run ended; nothing follows."""

    at: float
    report: RunReport


Event: TypeAlias = (
    RunStarted
    | WindowPlanned
    | EpochStarted
    | EpochFinished
    | NodeDispatched
    | TokensDecoded
    | NodeCompleted
    | NodeCoalesced
    | NodeFailed
    | NodeSkipped
    | QueryFinished
    | WorkerReady
    | WorkerLost
    | ModelLoading
    | ModelLoaded
    | ModelUnloaded
    | PrefixReused
    | PrefixEvicted
    | PrefixMoved
    | ChannelMeasured
    | LaneMeasured
    | WorkerMeasured
    | RunPaused
    | RunContinued
    | RunDraining
    | RowsRequeued
    | LimitChanged
    | RunFinished
)
