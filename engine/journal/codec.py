"""Bytes of a journal row: msgpack, compressed when it pays, sealed by a digest.

The first byte says how the rest is packed, so that old journals stay readable when the packing changes:
`m` msgpack, `z` zstd of msgpack, `j` ASCII JSON, `y` zstd of that. JSON carries what msgpack cannot: lone
surrogates and integers beyond 64 bits, which model output and data may hold.
"""

from __future__ import annotations

import json
import threading
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec
import zstandard

from engine.errors import JournalError

COMPRESS_ABOVE_BYTES = 512
MAX_PAYLOAD_BYTES = 1 << 30
T = TypeVar("T")

_ENCODER = msgspec.msgpack.Encoder()
_PER_THREAD = threading.local()


def pack(value: object) -> bytes:
    """Payload bytes of a record, uncompressed. Raises TypeError for what is not plain data."""
    try:
        return b"m" + _ENCODER.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return b"j" + json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()


def compress(payload: bytes) -> bytes:
    """`payload` in zstd where it is long enough and gains; otherwise itself."""
    if len(payload) <= COMPRESS_ABOVE_BYTES:
        return payload
    tag = b"z" if payload[:1] == b"m" else b"y"
    packed: bytes = tag + _zstd()[0].compress(payload[1:])
    return packed if len(packed) < len(payload) else payload


def seal(table: str, *parts: bytes) -> bytes:
    """16-byte digest over length-prefixed parts; the table's name keeps rows from changing places."""
    digest = blake2b(digest_size=16, person=table.encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class Unpacker(Generic[T]):
    """Decodes payloads of one type; any union of Records will do."""

    def __init__(self, type_: object) -> None:
        self._type = type_
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(type_)

    def __call__(self, payload: bytes) -> T:
        """Raises JournalError when `payload` is not what it should be."""
        try:
            return self._unpack(payload)
        except (msgspec.MsgspecError, zstandard.ZstdError, ValueError) as error:
            raise JournalError(f"a journal row cannot be decoded: {error}") from error

    def _unpack(self, payload: bytes) -> T:
        tag, body = payload[:1], payload[1:]
        if tag in (b"z", b"y"):
            body = _zstd()[1].decompress(body, max_output_size=MAX_PAYLOAD_BYTES)
        if tag in (b"m", b"z"):
            return self._decoder.decode(body)
        if tag in (b"j", b"y"):
            value: T = msgspec.convert(json.loads(body), self._type)
            return value
        raise ValueError(f"unknown packing {tag!r}")


def _zstd() -> tuple[zstandard.ZstdCompressor, zstandard.ZstdDecompressor]:
    """zstd contexts are not thread-safe, and dear to make: one pair a thread."""
    pair: tuple[zstandard.ZstdCompressor, zstandard.ZstdDecompressor] | None
    pair = getattr(_PER_THREAD, "pair", None)
    if pair is None:
        pair = (zstandard.ZstdCompressor(level=3), zstandard.ZstdDecompressor())
        _PER_THREAD.pair = pair
    return pair
