"""Stimuli into the run state and instructions out of it: the whole vocabulary of the processor's core.

Plain dataclasses with slots, not Records: they never leave the process and hundreds of thousands of them
pass through one run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from engine.errors import HaloError
from engine.ir.event import Event
from engine.ir.ids import ContentKey, Json, ModelName, NodeId, WorkerId
from engine.ir.logical import ToolOperator
from engine.ir.physical import PhysicalPlan
from engine.ir.request import GenerateRequest
from engine.ir.result import Completed, Failure, NodeOutcome, NodeRecord, QueryResult


@dataclass(frozen=True, slots=True)
class LlmWork:
    """A rendered generation: what a worker needs beside the model's name."""

    request: GenerateRequest
    model: ModelName


@dataclass(frozen=True, slots=True)
class ToolWork:
    """A rendered tool call."""

    operator: ToolOperator
    arguments: dict[str, Json]


Work: TypeAlias = LlmWork | ToolWork


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ready node's work with its content key; `key` is None when it must not be shared."""

    work: Work
    key: ContentKey | None


# --- stimuli ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extended:
    """A planned window joins the run. `recall` gives outcomes committed by an earlier attempt."""

    plan: PhysicalPlan
    recall: Callable[[ContentKey], NodeOutcome | None]
    in_doubt: Callable[[ContentKey], bool]


@dataclass(frozen=True, slots=True)
class InputExhausted:
    """No further window will come."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt gave a value."""

    node: NodeId
    completed: Completed


@dataclass(frozen=True, slots=True)
class Errored:
    """An attempt failed."""

    node: NodeId
    failure: Failure


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The back-off of a node is over."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Reminded:
    """The time a worker was given to wait for planned work is over."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class LaneUp:
    """A worker process is ready to take commands; nothing is resident yet."""

    worker: WorkerId
    pid: int
    backend: str


@dataclass(frozen=True, slots=True)
class Resident:
    """A model came to a worker (`load_s` is 0 if it was there), or others left it without one coming."""

    worker: WorkerId
    loaded: ModelName | None
    load_s: float
    unloaded: tuple[ModelName, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """A model cannot be loaded on a worker: its nodes go to another worker, or fail."""

    worker: WorkerId
    model: ModelName
    failure: Failure


@dataclass(frozen=True, slots=True)
class Progress:
    """Tokens decoded so far by running nodes."""

    decoded: tuple[tuple[NodeId, int], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a worker's counters gained since the last such stimulus."""

    worker: WorkerId
    prefill_s: float
    decode_s: float
    evicted_tokens: int


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process is gone. `blamed` is False when it was killed from outside (SIGKILL)."""

    worker: WorkerId
    reason: str
    blamed: bool


@dataclass(frozen=True, slots=True)
class Draining:
    """Stop dispatching and let what runs finish; `at_once`: do not wait for it any longer."""

    at_once: bool = False


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
)


# --- instructions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Carry out a node on a lane. `intent`: journal it durably first (side effects)."""

    node: NodeId
    lane: str
    work: Work
    attempt: int
    timeout_s: float | None
    intent: ContentKey | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Make a model resident on a worker."""

    worker: WorkerId
    model: ModelName


@dataclass(frozen=True, slots=True)
class Respawn:
    """Start a worker process again after a delay."""

    worker: WorkerId
    delay_s: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Give `RetryDue(node)` back after a delay."""

    node: NodeId
    delay_s: float


@dataclass(frozen=True, slots=True)
class Remind:
    """Give `Reminded(worker)` back after a delay."""

    worker: WorkerId
    delay_s: float


@dataclass(frozen=True, slots=True)
class Commit:
    """Write a settled node to the journal; `cache_key` also puts it into the result cache."""

    record: NodeRecord
    cache_key: ContentKey | None = None


@dataclass(frozen=True, slots=True)
class Emit:
    """Write a finished row, after every Commit given before it."""

    row: QueryResult


@dataclass(frozen=True, slots=True)
class Tell:
    """Publish an event."""

    event: Event


@dataclass(frozen=True, slots=True)
class NeedWindow:
    """Outstanding work fell low: plan the next window now."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Abort:
    """The run cannot go on; it stays resumable."""

    error: HaloError


Instruction: TypeAlias = (
    Dispatch | Load | Respawn | Delay | Remind | Commit | Emit | Tell | NeedWindow | Finish | Abort
)
