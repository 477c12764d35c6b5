"""Length-prefixed frames on a byte stream, without I/O: four bytes of length, big-endian, then the payload.

The payload is opaque here; `engine.wire.messages` says what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from engine.errors import WorkerError

MAX_FRAME_BYTES = 1 << 30
"""Largest payload: a prefix state of a large model fits, a corrupt length does not fill the memory."""

_LENGTH = Struct(">I")


class ProtocolError(WorkerError):
    """The peer sent bytes that are no frames of this protocol, or a payload is too large for one."""

    code = "protocol"
    retryable = False


def encode_frames(payloads: Iterable[bytes], *, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """All payloads as one byte string, for one write. Raises ProtocolError when one exceeds `max_bytes`."""
    parts: list[bytes] = []
    for payload in payloads:
        if len(payload) > max_bytes:
            raise ProtocolError(f"a message of {len(payload):,} bytes exceeds the limit of {max_bytes:,}")
        parts.append(_LENGTH.pack(len(payload)))
        parts.append(payload)
    return b"".join(parts)


class FrameDecoder:
    """Takes bytes in any chunking, gives back whole payloads in order.

    Memory grows with bytes received, never with an announced length. After a ProtocolError the stream
    cannot be resynchronised: every further `feed` raises again.
    """

    def __init__(self, *, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._broken: str | None = None

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """Payloads completed by `data`. Raises ProtocolError on a length above the limit."""
        self._check()
        self._buffer += data
        payloads: list[bytes] = []
        start = 0
        while (end := self._frame_end(start)) is not None:
            payloads.append(bytes(self._buffer[start + _LENGTH.size : end]))
            start = end
        if start:
            del self._buffer[:start]
        if not payloads:
            self._check()
        return tuple(payloads)

    def close(self) -> None:
        """The stream ended. Raises ProtocolError when it ended inside a frame."""
        if self._buffer:
            raise ProtocolError(f"the stream ended inside a frame ({len(self._buffer):,} bytes pending)")

    def _check(self) -> None:
        if self._broken is not None:
            raise ProtocolError(self._broken)

    def _frame_end(self, start: int) -> int | None:
        """Where the frame at `start` ends, if it is all here."""
        if len(self._buffer) - start < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, start)
        if length > self._max_bytes:
            self._broken = f"a frame announces {length:,} bytes, above the limit of {self._max_bytes:,}"
            return None
        end = start + _LENGTH.size + int(length)
        return end if end <= len(self._buffer) else None
