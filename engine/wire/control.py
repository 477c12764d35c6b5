"""The control channel of a run: what clients and the run say to each other over its Unix socket.

    client                                     run
    Hello                               ──►
                                        ◄──    Welcome, or Farewell
                                        ◄──    Snapshot, then Batch, Batch, …   (when watching)
    Ask(number, order)                  ──►
                                        ◄──    Answered(number, answer)
                                        ◄──    Farewell, then the end of the stream

Frames as in `engine.wire.framing`, msgpack inside. A stream that ends without Farewell: the run was killed,
or did not wait any longer for a client that does not read.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from engine.ir.ids import Record, RunId
from engine.live.coalesce import LiveBatch
from engine.live.state import LiveSnapshot
from engine.wire.orders import Answer, Order

CONTROL_VERSION = 1
"""Raised when a message changes so that an older peer would misread it."""
MAX_ASKED_BYTES = 1 << 20
"""Largest frame from a client."""
MAX_TOLD_BYTES = 1 << 28
"""Largest frame from the run: a snapshot holds a few bytes a query."""


class Hello(Record, tag=True, frozen=True, kw_only=True):
    """First frame of a client. `watch`: it wants the live state, not only answers."""

    version: int = CONTROL_VERSION
    watch: bool = True
    client: str = ""


class Ask(Record, tag=True, frozen=True, kw_only=True):
    """An order, numbered by the client; its answer carries the same number."""

    number: int
    order: Order


class Welcome(Record, tag=True, frozen=True, kw_only=True):
    """First frame of the run. `directory` is the run's folder."""

    run: RunId
    directory: str
    pid: int
    product: str
    version: int = CONTROL_VERSION


class Snapshot(Record, tag=True, frozen=True, kw_only=True):
    """The live state, numbered; batches go on from it. `missed`: steps this client was too slow for."""

    number: int
    state: LiveSnapshot
    missed: int = 0


class Batch(Record, tag=True, frozen=True, kw_only=True):
    """What changed from the state numbered `since`, the last this client was sent, to that numbered `number`.

    A client that reads fast enough gets every number; for a slow one several steps come as one.
    """

    number: int
    since: int
    changes: LiveBatch


class Answered(Record, tag=True, frozen=True, kw_only=True):
    """The answer to the order of that number."""

    number: int
    answer: Answer


class Farewell(Record, tag=True, frozen=True, kw_only=True):
    """Last frame. over: the attempt ended. refused: this client was not let in. faulty: what it sent cannot
    be read. `words` is for people.
    """

    reason: Literal["over", "refused", "faulty"]
    words: str


FromClient: TypeAlias = Hello | Ask
FromRun: TypeAlias = Welcome | Snapshot | Batch | Answered | Farewell

_ENCODER = msgspec.msgpack.Encoder()
_FROM_CLIENT: msgspec.msgpack.Decoder[FromClient] = msgspec.msgpack.Decoder(FromClient)
_FROM_RUN: msgspec.msgpack.Decoder[FromRun] = msgspec.msgpack.Decoder(FromRun)


def encode_control(message: FromClient | FromRun) -> bytes:
    """msgpack bytes of one message, unframed."""
    return _ENCODER.encode(message)


def decode_from_client(data: bytes) -> FromClient:
    """Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _FROM_CLIENT.decode(data)


def decode_from_run(data: bytes) -> FromRun:
    """Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _FROM_RUN.decode(data)
