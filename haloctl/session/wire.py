"""What a front end and a session say to each other over the session's Unix socket.

    front end                                  session
    Attach                              ──►
                                        ◄──    Attached, or Goodbye
    Propose(number, request)            ──►
                                        ◄──    Said, Said, …
                                        ◄──    Proposed(number, proposal), or Refused(number, …)
    Begin(number, proposal)             ──►
                                        ◄──    Begun(number, run), or Refused(number, …)
                                        ◄──    Over(run, …)
    EndSession                          ──►
                                        ◄──    Goodbye, then the end of the stream

A run that has begun is watched and told things over its own socket (`engine.wire.control`), not over this
one. Frames as in `engine.wire.framing`, msgpack inside.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from engine.errors import HaloError
from engine.ir.ids import Json, Record, RunId
from engine.ir.result import RunReport
from haloctl.request import BatchRequest
from haloctl.session.proposal import Proposal

SESSION_VERSION = 2
"""Raised when a message changes so that an older peer would misread it."""
MAX_FRAME_BYTES = 1 << 26
"""Largest message: queries typed by hand, and a plan in words."""


class Attach(Record, tag=True, frozen=True, kw_only=True):
    """First frame of a front end."""

    version: int = SESSION_VERSION


class Propose(Record, tag=True, frozen=True, kw_only=True):
    """Check a batch and plan it, without running it. `typed` rows stand in for the request's table.

    A proposal replaces the one before; a run that has begun is no proposal any more.
    """

    number: int
    request: BatchRequest
    typed: tuple[dict[str, Json], ...] = ()


class Begin(Record, tag=True, frozen=True, kw_only=True):
    """Run what was proposed under this number."""

    number: int
    proposal: int


class EndSession(Record, tag=True, frozen=True, kw_only=True):
    """The front end leaves for good. What runs goes on to its end; then the session ends too."""


class Attached(Record, tag=True, frozen=True, kw_only=True):
    """First frame of the session. `running` is the folder of the run that is under way, if one is."""

    session: str
    pid: int
    version: int = SESSION_VERSION
    running: str | None = None


class Said(Record, tag=True, frozen=True, kw_only=True):
    """What the session chose or does on its own account, for people."""

    words: str


class Proposed(Record, tag=True, frozen=True, kw_only=True):
    """What would be done."""

    number: int
    proposal: Proposal


class Refused(Record, tag=True, frozen=True, kw_only=True):
    """What was asked for cannot be done, and why. `exit_code` is what a command would have ended with."""

    number: int
    code: str
    message: str
    fix: str = ""
    exit_code: int = 70


class Begun(Record, tag=True, frozen=True, kw_only=True):
    """A run has begun, in this folder; watch it over its own socket."""

    number: int
    run: RunId
    directory: str


class Over(Record, tag=True, frozen=True, kw_only=True):
    """A run is over. Without a report it broke off, and `words` say how; it can be resumed."""

    run: RunId
    directory: str
    report: RunReport | None = None
    words: str = ""


class Goodbye(Record, tag=True, frozen=True, kw_only=True):
    """Last frame. over: the session ends. refused, occupied, faulty, slow: only this conversation does."""

    reason: Literal["over", "refused", "occupied", "faulty", "slow"]
    words: str


FromFrontEnd: TypeAlias = Attach | Propose | Begin | EndSession
FromSession: TypeAlias = Attached | Said | Proposed | Refused | Begun | Over | Goodbye

_ENCODER = msgspec.msgpack.Encoder()
_FROM_FRONT_END: msgspec.msgpack.Decoder[FromFrontEnd] = msgspec.msgpack.Decoder(FromFrontEnd)
_FROM_SESSION: msgspec.msgpack.Decoder[FromSession] = msgspec.msgpack.Decoder(FromSession)


def encode_message(message: FromFrontEnd | FromSession) -> bytes:
    """msgpack bytes of one message, unframed."""
    return _ENCODER.encode(message)


def decode_from_front_end(data: bytes) -> FromFrontEnd:
    """Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _FROM_FRONT_END.decode(data)


def decode_from_session(data: bytes) -> FromSession:
    """Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _FROM_SESSION.decode(data)


def refusal(number: int, error: HaloError) -> Refused:
    """An error as the answer to a request."""
    return Refused(
        number=number,
        code=error.code,
        message=error.message,
        fix=error.fix or "",
        exit_code=error.exit_code,
    )
