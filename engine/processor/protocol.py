"""Stimuli into the run state and instructions out of it: the whole vocabulary of the processor's core.

Not Records: they never leave the process, hold what no message may, and hundreds of thousands of them pass
through one run, so that making them must cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from engine.errors import HaloError
from engine.ir.event import Event
from engine.ir.ids import ContentKey, Json, ModelName, NodeId, QueryIndex, WorkerId
from engine.ir.logical import ToolOperator
from engine.ir.physical import PhysicalPlan
from engine.ir.request import GenerateRequest
from engine.ir.result import Completed, Failure, NodeOutcome, NodeRecord, QueryResult
from engine.journal.records import CrashRecord
from engine.wire.orders import Answer, Order


class Signal(msgspec.Struct, frozen=True, gc=False):
    """Base of stimuli and instructions: immutable, built by position, in no reference cycle."""


class LlmWork(Signal, frozen=True):
    """A rendered generation: what a worker needs beside the model's name."""

    request: GenerateRequest
    model: ModelName


class ToolWork(Signal, frozen=True):
    """A rendered tool call."""

    operator: ToolOperator
    arguments: dict[str, Json]


Work: TypeAlias = LlmWork | ToolWork


class Prepared(Signal, frozen=True):
    """A ready node's work with its content key; `key` is None when it must not be shared."""

    work: Work
    key: ContentKey | None


# --- stimuli ----------------------------------------------------------------------------------------


class Extended(Signal, frozen=True):
    """A planned window joins the run, with what an earlier coordinator left of it.

    `recall` gives committed outcomes, `in_doubt` says whether a write was begun and never committed, and
    `solo_crashes` how often a node that was in flight in a crash crashed a worker while alone on it.
    """

    plan: PhysicalPlan
    recall: Callable[[ContentKey], NodeOutcome | None]
    in_doubt: Callable[[ContentKey], bool]
    solo_crashes: Mapping[ContentKey, int] = {}


class InputExhausted(Signal, frozen=True):
    """No further window will come."""


class Succeeded(Signal, frozen=True):
    """An attempt gave a value."""

    node: NodeId
    completed: Completed


class Errored(Signal, frozen=True):
    """An attempt failed."""

    node: NodeId
    failure: Failure


class RetryDue(Signal, frozen=True):
    """The back-off of a node is over."""

    node: NodeId


class Reminded(Signal, frozen=True):
    """The time a worker was given to wait for planned work is over."""

    worker: WorkerId


class LaneUp(Signal, frozen=True):
    """A worker process is ready to take commands; `resident` are models of this run it holds already."""

    worker: WorkerId
    pid: int
    backend: str
    resident: tuple[ModelName, ...] = ()


class Resident(Signal, frozen=True):
    """A model came to a worker (`load_s` is 0 if it was there), or others left it without one coming."""

    worker: WorkerId
    loaded: ModelName | None
    load_s: float
    unloaded: tuple[ModelName, ...] = ()


class LoadFailed(Signal, frozen=True):
    """A model cannot be loaded on a worker: its nodes go to another worker, or fail."""

    worker: WorkerId
    model: ModelName
    failure: Failure


class Progress(Signal, frozen=True):
    """Tokens decoded so far by running nodes."""

    decoded: tuple[tuple[NodeId, int], ...]


class Measured(Signal, frozen=True):
    """What a worker's counters gained since the last such stimulus, and what it has in hand now."""

    worker: WorkerId
    prefill_s: float
    decode_s: float
    evicted_tokens: int
    sequences: int = 0
    waiting: int = 0
    resident_bytes: int = 0
    cells_used: int = 0
    cells_total: int = 0


class WorkerDied(Signal, frozen=True):
    """A worker process is gone. `blamed` is False when it was killed from outside (SIGKILL).

    `asked`: somebody wanted it restarted, so that its death says nothing about anything.
    """

    worker: WorkerId
    reason: str
    blamed: bool
    signal: int | None = None
    asked: bool = False


class Draining(Signal, frozen=True):
    """Stop dispatching and let what runs finish; `at_once`: do not wait for it any longer."""

    at_once: bool = False


class Ordered(Signal, frozen=True):
    """Somebody asks something of the run; the answer carries the same `ticket`."""

    order: Order
    ticket: int


class Requeued(Signal, frozen=True):
    """Failed rows were taken back, for the order `ticket`: `rows`, of them so many had been quarantined.

    `extended` is their new plan; None with `refusal`, the reason why no row was taken back.
    """

    ticket: int
    rows: tuple[QueryIndex, ...]
    quarantined: int
    extended: Extended | None
    refusal: Answer | None = None


Stimulus: TypeAlias = (
    Extended
    | InputExhausted
    | Succeeded
    | Errored
    | RetryDue
    | Reminded
    | LaneUp
    | Resident
    | LoadFailed
    | Progress
    | Measured
    | WorkerDied
    | Draining
    | Ordered
    | Requeued
)


# --- instructions -----------------------------------------------------------------------------------


class Dispatch(Signal, frozen=True):
    """Carry out a node on a lane. `intent`: journal it durably first (side effects)."""

    node: NodeId
    lane: str
    work: Work
    attempt: int
    timeout_s: float | None
    intent: ContentKey | None = None


class Load(Signal, frozen=True):
    """Make a model resident on a worker."""

    worker: WorkerId
    model: ModelName


class Respawn(Signal, frozen=True):
    """Start a worker process again after a delay."""

    worker: WorkerId
    delay_s: float


class Delay(Signal, frozen=True):
    """Give `RetryDue(node)` back after a delay."""

    node: NodeId
    delay_s: float


class Remind(Signal, frozen=True):
    """Give `Reminded(worker)` back after a delay."""

    worker: WorkerId
    delay_s: float


class Commit(Signal, frozen=True):
    """Write a settled node to the journal; `cache_key` also puts it into the result cache."""

    record: NodeRecord
    cache_key: ContentKey | None = None


class NoteCrash(Signal, frozen=True):
    """Write to the journal that a worker crashed with a node in flight, so that a resumed run knows."""

    record: CrashRecord


class Emit(Signal, frozen=True):
    """Write a finished row, after every Commit given before it."""

    row: QueryResult


class Tell(Signal, frozen=True):
    """Publish an event."""

    event: Event


class NeedWindow(Signal, frozen=True):
    """Outstanding work fell low: plan the next window now."""


class LetGo(Signal, frozen=True):
    """Nobody wants this node any more: cancel it where it runs. It comes back as any attempt does."""

    node: NodeId
    lane: str


class Restart(Signal, frozen=True):
    """Kill a worker's process; it comes back as `WorkerDied` that was asked for."""

    worker: WorkerId


class StopLater(Signal, frozen=True):
    """Give `Draining(at_once=True)` back when the grace is over."""


class SetTotal(Signal, frozen=True):
    """The run drains by itself so many seconds after it began; None: never."""

    total_s: float | None


class TakeBack(Signal, frozen=True):
    """Take failed rows back from journal and output and plan them anew, after every Emit given before.

    `queries` names some of them; empty means all that may succeed now. Answered by `Requeued`.
    """

    queries: tuple[str, ...]
    ticket: int


class Reply(Signal, frozen=True):
    """The answer to an order."""

    ticket: int
    answer: Answer


class Finish(Signal, frozen=True):
    """Nothing is left to do."""


class Abort(Signal, frozen=True):
    """The run cannot go on; it stays resumable."""

    error: HaloError


Instruction: TypeAlias = (
    Dispatch
    | Load
    | Respawn
    | Delay
    | Remind
    | Commit
    | NoteCrash
    | Emit
    | Tell
    | NeedWindow
    | LetGo
    | Restart
    | StopLater
    | SetTotal
    | TakeBack
    | Reply
    | Finish
    | Abort
)
