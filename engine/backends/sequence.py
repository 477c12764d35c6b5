"""One request on its way through a backend, and the contract of the runtime underneath."""

from __future__ import annotations

import codecs
from collections.abc import Sequence as Sized
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.errors import BackendError
from engine.ir.request import BackendInfo, Generated, GenerateRequest, Message
from engine.ir.result import Usage
from engine.kv.admission import Waiting
from engine.kv.prefix_cache import Lease, SequenceMemory
from engine.kv.radix_tree import Tokens


class OutOfCells(BackendError):
    """The runtime found no key-value cells for a batch; nothing of it was computed."""

    code = "generation_failed"


@dataclass(slots=True)
class Times:
    """When a request came, was first given a sequence, and had its first token; seconds of one clock."""

    enqueued: float = 0.0
    admitted: float = 0.0
    first_token: float = 0.0

    @property
    def waited_s(self) -> float:
        return max(0.0, self.admitted - self.enqueued)

    @property
    def prefill_s(self) -> float:
        return max(0.0, self.first_token - self.admitted)


@dataclass(slots=True, eq=False)
class Sequence:
    """A request's state. `tokens` is the prompt followed by what was decoded; the cells of the first
    `past` of them are computed. `decoder` is the runtime's own sampling state, kept across preemption.
    While it runs it has a lease on cells of the cache, or a stream of its own.
    """

    request: GenerateRequest
    prompt_tokens: int
    tokens: list[int]
    waiting: Waiting
    decoder: Any = None
    lease: Lease | None = None
    stream: int | None = None
    past: int = 0
    decoded: int = 0
    reused: int = 0
    output: bytearray = field(default_factory=bytearray)
    stops: tuple[bytes, ...] = ()
    stopped_at: int | None = None
    times: Times = field(default_factory=Times)

    @property
    def prefilling(self) -> bool:
        """Whether prompt cells (or cells lost to preemption) are still to be computed."""
        return self.past < len(self.tokens) - 1 or not self.decoded

    @property
    def remaining(self) -> int:
        """Tokens that may still be decoded."""
        return self.request.max_tokens - self.decoded

    def append(self, piece: bytes) -> bool:
        """Add a decoded token's bytes; True when a stop string is now complete."""
        before = len(self.output)
        self.output += piece
        if not self.stops:
            return False
        places = (self.output.find(stop, max(0, before - len(stop) + 1)) for stop in self.stops)
        found = min((place for place in places if place >= 0), default=None)
        if found is not None:
            self.stopped_at = found
        return found is not None

    def text(self) -> str:
        """Decoded text before the stop string; a character cut in half at the end is left out.

        Bytes that are no UTF-8 become U+FFFD: free text is what the model made of it. (Under a schema a
        runtime never decodes such bytes.)
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(bytes(self.output[: self.stopped_at]))

    def usage(self) -> Usage:
        """Tokens of this request: the prompt is what was computed plus what was reused."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            computed_tokens=self.prompt_tokens - self.reused,
            reused_tokens=self.reused,
            decoded_tokens=self.decoded,
        )


def cancelled(sequence: Sequence) -> Generated:
    """The last word on a dropped request."""
    begun = sequence.lease is not None or sequence.stream is not None
    usage = sequence.usage() if begun else Usage(decoded_tokens=sequence.decoded)
    return Generated(id=sequence.request.id, text=sequence.text(), finish="cancelled", usage=usage)


@dataclass(slots=True)
class Row:
    """Consecutive tokens of one sequence in a batch: positions start … start+count-1.

    With `samples` the runtime also decodes what follows the last of them.
    """

    sequence: Sequence
    start: int
    count: int
    samples: bool


class Runtime(Protocol):
    """What a model library offers under `engine.backends.stepping`: compute a batch, save cells."""

    info: BackendInfo
    memory: SequenceMemory
    cells: int
    sequences: int
    chunk_tokens: int
    """Most tokens of one batch."""
    tokens_per_step: int
    """Most tokens one row with `samples` decodes."""
    stream_cells: int
    """Cells of all streams, beside `cells`; 0 for a runtime without."""
    stale_after: int | None
    """Tokens to compute until a kept prefix that none of them used has cost more than it is worth; None where
    kept cells slow nothing."""

    def tokenize(self, text: str) -> Tokens: ...

    def prompt_tokens(self, messages: tuple[Message, ...]) -> Tokens: ...

    def open(self, request: GenerateRequest) -> Any:
        """Sampling state of a request. Raises BackendError for a schema that cannot be compiled."""
        ...

    def compute(self, rows: list[Row]) -> list[Sized[int]]:
        """Compute the rows' cells; returns decoded tokens per row, empty without `samples`.

        Raises OutOfCells (nothing computed, try a smaller batch) or BackendError (this batch is lost).
        """
        ...

    def to_stream(self, sequence: Sequence) -> bool:
        """Copy a sequence whose tokens are all computed into a stream of its own, where it decodes from now
        on without its lease; sets `sequence.stream`. False when there is none it fits into.
        """
        ...

    def piece(self, token: int) -> bytes:
        """UTF-8 bytes of a token, possibly part of a character; b"" for control tokens."""
        ...

    def ends(self, token: int) -> bool:
        """Whether the token ends the generation."""
        ...

    def complete(self, sequence: Sequence) -> bool:
        """Whether nothing but the end may follow (a schema is satisfied). Asked after each token; where
        the request ignores the end, True only once: what follows is unconstrained and not text.
        """
        ...

    def check(self, request: GenerateRequest, text: str) -> str | None:
        """Why a finished text violates the request's schema, or None."""
        ...

    def release(self, sequence: Sequence) -> None:
        """Free a request's sampling state, once, after its cells were given back."""
        ...

    def save_state(self, sequence: int) -> bytes | None:
        """The cells of a sequence as bytes."""
        ...

    def load_state(self, sequence: int, data: bytes, tokens: int) -> bool:
        """Fill an empty sequence from `save_state` bytes; False when they are refused."""
        ...

    def close(self) -> None: ...
