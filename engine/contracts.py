"""The two outward protocols: `Backend` (a model runtime) and `Tool` (a way to fetch or compute facts).

Implementations live in `engine.backends` and in the `tools` package; `haloctl.compose` wires them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NewType, Protocol

from engine.ir.ids import Json, RequestId
from engine.ir.request import (
    BackendInfo,
    BackendStatistics,
    GenerateOutput,
    GenerateRequest,
    Message,
)
from engine.ir.spec import Effects, OperatorSpec
from engine.ir.template import Mode

PrefixHandle = NewType("PrefixHandle", int)


class Backend(Protocol):
    """One loaded model. Not thread-safe; owned by one process, driven by `step`."""

    @property
    def info(self) -> BackendInfo:
        """Facts fixed at load."""
        ...

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Token ids of `text` as data: control tokens written in it stay plain text."""
        ...

    def prompt_tokens(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """The chat template applied: template parts may hold control tokens, contents never do."""
        ...

    def enqueue(self, request: GenerateRequest) -> None:
        """Accept a request; never blocks and computes nothing.

        Raises ContextOverflow if prompt + max_tokens exceed `info.context_tokens`, BackendError if the
        schema cannot be compiled. The request is not held after an exception.
        """
        ...

    def step(self) -> tuple[GenerateOutput, ...]:
        """One batch: prefill chunks and/or one decode iteration of every running sequence.

        Returns at once with () when nothing is queued.
        """
        ...

    @property
    def idle(self) -> bool:
        """True when `step` has nothing to do."""
        ...

    def cancel(self, request: RequestId) -> None:
        """Drop a request; unknown ids are ignored. Its `Generated(finish="cancelled")` comes from `step`."""
        ...

    def pin(self, prefix: tuple[int, ...]) -> PrefixHandle:
        """Keep `prefix` from eviction once computed, until `release`."""
        ...

    def release(self, handle: PrefixHandle) -> None:
        """Undo one `pin`; unknown handles are ignored."""
        ...

    def export_prefix(self, prefix: tuple[int, ...]) -> bytes | None:
        """State of the longest cached part of `prefix`, for `import_prefix` of a backend with the same
        model digest; None when nothing is cached or the capability is absent.
        """
        ...

    def import_prefix(self, state: bytes) -> int:
        """Take a prefix state into the cache; returns the tokens now cached (0 if refused)."""
        ...

    def statistics(self) -> BackendStatistics:
        """Counters kept by the engine, not assumptions."""
        ...

    def close(self) -> None:
        """Free the model and its memory; idempotent."""
        ...


class Cancellation:
    """Lets a deadline or a stop reach a blocking tool call from another thread.

    A tool registers `on_cancel` callbacks (interrupt the database, close the socket); `cancel` runs them
    once. Registering after cancellation runs the callback at once.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    def on_cancel(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        if self.cancelled:
            callback()

    def cancel(self) -> None:
        if self.cancelled:
            return
        self.cancelled = True
        for callback in list(self._callbacks):
            callback()


class Tool(Protocol):
    """An opened tool kind. Thread-safe: `call` runs in worker threads, several at once."""

    def canonical(self, arguments: Mapping[str, Json]) -> Json:
        """Normal form of rendered arguments, for content keys: equal work, equal form.

        Raises ToolError when the arguments can never run (unparsable SQL, write without effects: write).
        """
        ...

    def coalescable(self, arguments: Mapping[str, Json]) -> bool:
        """Whether identical calls may share one execution (read-only, non-volatile SQL; GET; …)."""
        ...

    def estimate_s(self, arguments: Mapping[str, Json]) -> float | None:
        """Predicted seconds of one call (SQL: EXPLAIN), or None when the tool cannot tell. May block."""
        ...

    def call(self, arguments: Mapping[str, Json], *, timeout_s: float, cancellation: Cancellation) -> Json:
        """Do the work; blocks. Raises ToolError for every expected failure, deadline included."""
        ...

    def close(self) -> None:
        """Release connections and processes; idempotent."""
        ...


@dataclass(frozen=True)
class ToolKind:
    """What the parser and the composition root need to know of a kind of tool.

    `spec` is the OperatorSpec subclass of the YAML block. `fields` says which of its fields are templates
    and how they render; a field holding nested JSON applies the mode to every string leaf. Other fields
    are constants. `check` sees the decoded spec and returns (field, message, fix) faults.
    """

    name: str
    spec: type[OperatorSpec]
    fields: Mapping[str, Mode]
    effects: Callable[[OperatorSpec], Effects]
    deterministic: Callable[[OperatorSpec], bool]
    open: Callable[[Mapping[str, Json]], Tool]
    check: Callable[[OperatorSpec], tuple[tuple[str, str, str], ...]] = lambda _spec: ()
    concurrency: int = 4
    default_timeout_s: float = 60.0
    produces: tuple[str, ...] | None = None
    """Fields its values have in templates, when they are always the same; None when any may be there."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Names of settings sections this kind reads, with what for (shown by `doctor`)."""
