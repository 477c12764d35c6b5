"""Commands to a worker process and replies from it: tagged unions with typed decoders."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from engine.ir.ids import ModelName, Record, RequestId
from engine.ir.request import (
    BackendInfo,
    BackendStatistics,
    Generated,
    GenerateRequest,
    ModelFile,
)

PROTOCOL_VERSION = 1
"""Raised when a message changes so that an older worker would misread it."""


class LoadModel(Record, tag=True, frozen=True, kw_only=True):
    """Make a model resident, unloading least recently used idle ones if memory asks for it.

    Answered by ModelReady or CommandFailed. Loading a resident model answers at once with load_s 0.
    """

    model: ModelFile


class UnloadModel(Record, tag=True, frozen=True, kw_only=True):
    """Drop a model; its hot prefixes go to the host store. Answered by ModelGone."""

    model: ModelName


class Generate(Record, tag=True, frozen=True, kw_only=True):
    """Run requests on a resident model, in this order of preference."""

    model: ModelName
    requests: tuple[GenerateRequest, ...]


class Cancel(Record, tag=True, frozen=True, kw_only=True):
    """Drop a request; a Finished with finish="cancelled" answers if it was still there."""

    request: RequestId


class ExportPrefix(Record, tag=True, frozen=True, kw_only=True):
    """Hand out the state of the longest cached prefix of `request`'s prompt. Answer: PrefixExported."""

    model: ModelName
    request: GenerateRequest


class ImportPrefix(Record, tag=True, frozen=True, kw_only=True):
    """Take a prefix state exported by another worker with the same model. Answer: PrefixImported."""

    model: ModelName
    state: bytes


class Calibrate(Record, tag=True, frozen=True, kw_only=True):
    """Measure a resident, idle model: answered by Calibrated."""

    model: ModelName
    quick: bool = False


class Drain(Record, tag=True, frozen=True, kw_only=True):
    """Finish what runs, accept nothing new, then exit 0 after Drained."""


Command: TypeAlias = (
    LoadModel | UnloadModel | Generate | Cancel | ExportPrefix | ImportPrefix | Calibrate | Drain
)


class Ready(Record, tag=True, frozen=True, kw_only=True):
    """Handshake: the process is up and understands this protocol version."""

    pid: int
    backend: str
    build: str
    protocol: int = PROTOCOL_VERSION


class ModelReady(Record, tag=True, frozen=True, kw_only=True):
    """A model is resident."""

    info: BackendInfo
    load_s: float
    unloaded: tuple[ModelName, ...] = ()


class ModelGone(Record, tag=True, frozen=True, kw_only=True):
    """A model was unloaded."""

    model: ModelName


class Decoded(Record, tag=True, frozen=True, kw_only=True):
    """Progress since the last such reply: (request, tokens decoded so far) pairs."""

    progress: tuple[tuple[RequestId, int], ...]


class Finished(Record, tag=True, frozen=True, kw_only=True):
    """A generation ended; times are seconds in the worker's monotonic clock since it started."""

    generated: Generated
    started_s: float
    finished_s: float


class RequestFailed(Record, tag=True, frozen=True, kw_only=True):
    """One request failed; others are unaffected. `code` is a Failure code."""

    request: RequestId
    code: str
    message: str
    retryable: bool = False


class CommandFailed(Record, tag=True, frozen=True, kw_only=True):
    """A command other than Generate failed as a whole."""

    command: str
    model: ModelName | None
    code: str
    message: str


class PrefixExported(Record, tag=True, frozen=True, kw_only=True):
    """State bytes, or None when nothing is cached."""

    model: ModelName
    tokens: int
    state: bytes | None


class PrefixImported(Record, tag=True, frozen=True, kw_only=True):
    """Tokens now cached; 0 when the state was refused."""

    model: ModelName
    tokens: int


class Calibrated(Record, tag=True, frozen=True, kw_only=True):
    """Measured points: prefill (tokens in batch, s), decode (sequences, s a step)."""

    model: ModelName
    prefill: tuple[tuple[float, float], ...]
    decode: tuple[tuple[float, float], ...]
    restore_s_per_token: float


class Statistics(Record, tag=True, frozen=True, kw_only=True):
    """Heartbeat: every 250 ms while anything happens, every second otherwise, and before the last Finished
    when a worker runs out of work.
    """

    at_s: float
    resident_bytes: int
    models: dict[ModelName, BackendStatistics]
    loading: ModelName | None = None
    """The model being loaded just now: nothing else advances meanwhile."""
    preparing: bool = False
    """What runs that model is being compiled first, once on a machine: its load has not begun."""


class Drained(Record, tag=True, frozen=True, kw_only=True):
    """Last reply before a voluntary exit."""


Reply: TypeAlias = (
    Ready
    | ModelReady
    | ModelGone
    | Decoded
    | Finished
    | RequestFailed
    | CommandFailed
    | PrefixExported
    | PrefixImported
    | Calibrated
    | Statistics
    | Drained
)

_ENCODER = msgspec.msgpack.Encoder()
_COMMANDS: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_REPLIES: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(message: Command | Reply) -> bytes:
    """msgpack bytes of one message, unframed."""
    return _ENCODER.encode(message)


def decode_command(data: bytes | memoryview) -> Command:
    """Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _COMMANDS.decode(data)


def decode_reply(data: bytes | memoryview) -> Reply:
    """Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _REPLIES.decode(data)
