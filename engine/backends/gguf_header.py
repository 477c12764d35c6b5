"""Bounded parser of GGUF headers (versions 2 and 3, little-endian): model files are untrusted input.

Nothing is allocated because the file says so: every count and length is checked against the bytes that are
left before anything is read, and large arrays are walked, not kept.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeAlias

MAGIC: Final = b"GGUF"
MAX_KEYS: Final = 65_536
MAX_TENSORS: Final = 65_536
MAX_STRING_BYTES: Final = 16 << 20
MAX_NAME_BYTES: Final = 1 << 16
MAX_HEADER_BYTES: Final = 1 << 30
MAX_DIMENSIONS: Final = 4
KEPT_ARRAY: Final = 4096
"""Number arrays up to this length are kept as values; of longer ones, and of strings, only the length."""

_CHUNK: Final = 1 << 20
_STRING: Final = 8
_ARRAY: Final = 9
_BOOL: Final = 7
_SCALARS: Final[dict[int, struct.Struct]] = {
    code: struct.Struct("<" + letter)
    for code, letter in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "B",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")

# fmt: off
_BLOCKS: Final[dict[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}
"""ggml tensor type → (elements, bytes) of one block."""
# fmt: on


@dataclass(frozen=True, slots=True)
class ArrayLength:
    """An array that was walked but not kept."""

    count: int


Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | tuple[Scalar, ...] | ArrayLength


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's place: `offset` from the start of the data section, `size` in bytes."""

    name: str
    elements: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """All a header says, checked against the size of the file."""

    version: int
    metadata: dict[str, Value]
    tensors: tuple[Tensor, ...]
    data_start: int


class MalformedHeader(Exception):
    """What is wrong, and the byte offset at which it was found."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset:,}: {reason}")
        self.offset = offset
        self.reason = reason


class _Cursor:
    """Sequential reader that knows how many bytes the file has left."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._buffer = b""
        self._at = 0
        self._start = 0

    @property
    def offset(self) -> int:
        return self._start + self._at

    @property
    def left(self) -> int:
        return self._size - self.offset

    def need(self, count: int, what: str) -> None:
        if count > self.left:
            raise MalformedHeader(self.offset, f"{what} needs {count:,} bytes, {self.left:,} are left")
        if self.offset + count > MAX_HEADER_BYTES:
            raise MalformedHeader(self.offset, f"the header exceeds {MAX_HEADER_BYTES:,} bytes")

    def take(self, count: int, what: str) -> bytes:
        self.need(count, what)
        self._fill(count, what)
        data = self._buffer[self._at : self._at + count]
        self._at += count
        return data

    def skip(self, count: int, what: str) -> None:
        """Like `take`, without keeping what it passes."""
        self.need(count, what)
        if self._at + count <= len(self._buffer):
            self._at += count
            return
        self._start, self._buffer, self._at = self.offset + count, b"", 0
        self._file.seek(self._start)

    def number(self, kind: struct.Struct, what: str) -> int:
        value: int = kind.unpack(self.take(kind.size, what))[0]
        return value

    def _fill(self, count: int, what: str) -> None:
        if self._at + count <= len(self._buffer):
            return
        rest = self._buffer[self._at :]
        self._start += self._at
        self._buffer = rest + self._file.read(max(count - len(rest), _CHUNK))
        self._at = 0
        if len(self._buffer) < count:
            raise MalformedHeader(self.offset, f"{what}: the file ended while it was read")


def parse_header(file: BinaryIO, size: int) -> Header:
    """Read and check the header of a file of `size` bytes. Raises MalformedHeader, or OSError."""
    cursor = _Cursor(file, size)
    if cursor.take(4, "magic") != MAGIC:
        raise MalformedHeader(0, "not a GGUF file (the magic number is missing)")
    version = cursor.number(_U32, "version")
    if version not in (2, 3):
        swapped = version in (0x02000000, 0x03000000)
        raise MalformedHeader(
            4, "big-endian files are not supported" if swapped else f"unknown version {version}"
        )
    tensor_count = _count(cursor, MAX_TENSORS, 4 + 8 + 8 + 4 + 8, "tensor count")
    key_count = _count(cursor, MAX_KEYS, 8 + 4 + 1, "key count")
    metadata: dict[str, Value] = {}
    for _ in range(key_count):
        at = cursor.offset
        key = _string(cursor, MAX_NAME_BYTES, "key")
        if key in metadata:
            raise MalformedHeader(at, f"key {key[:80]!r} occurs twice")
        metadata[key] = _value(cursor, key)
    alignment = _alignment(metadata, cursor.offset)
    tensors = tuple(_tensor(cursor, alignment) for _ in range(tensor_count))
    data_start = math.ceil(cursor.offset / alignment) * alignment
    _check_layout(tensors, data_start, size)
    return Header(version=version, metadata=metadata, tensors=tensors, data_start=data_start)


def _count(cursor: _Cursor, limit: int, least_bytes: int, what: str) -> int:
    at = cursor.offset
    count = cursor.number(_U64, what)
    if count > limit:
        raise MalformedHeader(at, f"{what} {count:,} exceeds {limit:,}")
    if count * least_bytes > cursor.left:
        raise MalformedHeader(at, f"{what} {count:,} does not fit into the {cursor.left:,} bytes left")
    return count


def _string(cursor: _Cursor, limit: int, what: str) -> str:
    at = cursor.offset
    length = cursor.number(_U64, f"length of {what}")
    if length > limit:
        raise MalformedHeader(at, f"{what} announces {length:,} bytes, the limit is {limit:,}")
    data = cursor.take(length, what)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedHeader(at, f"{what} is not UTF-8") from None


def _value(cursor: _Cursor, key: str) -> Value:
    what = f"value of {key[:80]!r}"
    at = cursor.offset
    kind = cursor.number(_U32, what)
    if kind == _ARRAY:
        return _array(cursor, what)
    if kind == _STRING:
        return _string(cursor, MAX_STRING_BYTES, what)
    if kind not in _SCALARS:
        raise MalformedHeader(at, f"{what} has unknown type {kind}")
    return _scalar(cursor, kind, what)


def _scalar(cursor: _Cursor, kind: int, what: str) -> Scalar:
    at = cursor.offset
    form = _SCALARS[kind]
    value: int | float = form.unpack(cursor.take(form.size, what))[0]
    if kind == _BOOL:
        if value not in (0, 1):
            raise MalformedHeader(at, f"{what} is a boolean of value {value}")
        return bool(value)
    return value


def _array(cursor: _Cursor, what: str) -> Value:
    at = cursor.offset
    kind = cursor.number(_U32, what)
    if kind != _STRING and kind not in _SCALARS:
        raise MalformedHeader(at, f"{what} is an array of unknown or nested type {kind}")
    width = 8 if kind == _STRING else _SCALARS[kind].size
    at = cursor.offset
    count = cursor.number(_U64, f"length of {what}")
    if count * width > cursor.left:
        raise MalformedHeader(at, f"{what} announces {count:,} elements, {cursor.left:,} bytes are left")
    if kind == _STRING:
        for _ in range(count):
            at = cursor.offset
            length = cursor.number(_U64, f"length of an element of {what}")
            if length > MAX_STRING_BYTES:
                raise MalformedHeader(at, f"an element of {what} announces {length:,} bytes")
            cursor.skip(length, f"an element of {what}")
        return ArrayLength(count)
    if count > KEPT_ARRAY:
        cursor.skip(count * width, what)
        return ArrayLength(count)
    return tuple(_scalar(cursor, kind, what) for _ in range(count))


def _alignment(metadata: dict[str, Value], offset: int) -> int:
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or not 1 <= value <= 1 << 20 or value & (value - 1):
        raise MalformedHeader(offset, f"general.alignment is {value!r}, not a power of two up to 2^20")
    return value


def _tensor(cursor: _Cursor, alignment: int) -> Tensor:
    name = _string(cursor, MAX_NAME_BYTES, "tensor name")
    what = f"tensor {name[:80]!r}"
    at = cursor.offset
    dimensions = cursor.number(_U32, f"dimensions of {what}")
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise MalformedHeader(at, f"{what} has {dimensions} dimensions")
    shape = [cursor.number(_U64, f"shape of {what}") for _ in range(dimensions)]
    elements = math.prod(shape)
    if elements < 1 or elements >= 1 << 62:
        raise MalformedHeader(at, f"{what} has the impossible shape {shape}")
    at = cursor.offset
    kind = cursor.number(_U32, f"type of {what}")
    if kind not in _BLOCKS:
        raise MalformedHeader(at, f"{what} has unknown type {kind}")
    block, block_bytes = _BLOCKS[kind]
    if shape[0] % block:
        raise MalformedHeader(at, f"{what}: rows of {shape[0]} elements are not whole blocks of {block}")
    at = cursor.offset
    offset = cursor.number(_U64, f"offset of {what}")
    if offset % alignment:
        raise MalformedHeader(at, f"{what}: offset {offset:,} is not aligned to {alignment}")
    return Tensor(name=name, elements=elements, offset=offset, size=elements // block * block_bytes)


def _check_layout(tensors: tuple[Tensor, ...], data_start: int, size: int) -> None:
    """Unique names; every tensor inside the file; none overlapping another."""
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise MalformedHeader(data_start, "two tensors have the same name")
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset < end:
            raise MalformedHeader(data_start, f"tensor {tensor.name[:80]!r} overlaps the one before it")
        end = tensor.offset + tensor.size
        if data_start + end > size:
            reason = f"tensor {tensor.name[:80]!r} ends at byte {data_start + end:,}, the file at {size:,}"
            raise MalformedHeader(data_start, reason)
