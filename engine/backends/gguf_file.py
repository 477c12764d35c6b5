"""What a GGUF file is, checked before any runtime sees it, and its digest.

Results are kept in memory by (path, size, modification time), so asking again costs a `stat`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from engine.backends.gguf_header import MAGIC, ArrayLength, Header, MalformedHeader, Value, parse_header
from engine.errors import ModelFileError
from engine.ir.ids import Record

T = TypeVar("T")
_Key = tuple[str, int, int, int]


class GgufSummary(Record, frozen=True, kw_only=True):
    """Facts of a valid GGUF file. `kv_bytes_per_token` is for 16-bit caches; 0 where a fact is not given."""

    architecture: str
    name: str
    context_tokens: int
    layers: int
    vocabulary: int
    parameters: int
    tensor_bytes: int
    file_bytes: int
    kv_bytes_per_token: int
    has_chat_template: bool


def is_gguf(path: str | Path) -> bool:
    """Whether the file begins like a GGUF file. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def validate_gguf(path: str | Path) -> GgufSummary:
    """Check the header against the file and return what it says.

    Raises ModelFileError, with the byte offset and the reason, on a missing, unreadable or malformed file.
    """
    return _remember(_summaries, path, _read_summary)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of the file's bytes, hex. Raises ModelFileError when it cannot be read."""
    return _remember(_digests, path, _hash)


_summaries: dict[_Key, GgufSummary] = {}
_digests: dict[_Key, str] = {}


def _remember(cache: dict[_Key, T], path: str | Path, compute: Callable[[Path], T]) -> T:
    resolved = Path(path)
    try:
        status = os.stat(resolved)
        key = (os.path.abspath(resolved), status.st_size, status.st_mtime_ns, status.st_ino)
        if key not in cache:
            cache[key] = compute(resolved)
        return cache[key]
    except OSError as error:
        raise ModelFileError(
            f"{path}: {error.strerror or error}", fix="check the model's path and its permissions"
        ) from error


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_summary(path: Path) -> GgufSummary:
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            header = parse_header(file, size)
        return _summarise(header, size)
    except MalformedHeader as error:
        raise ModelFileError(
            f"{path}: not a usable GGUF file {error}", fix="download or convert the model again"
        ) from error


def _summarise(header: Header, size: int) -> GgufSummary:
    metadata = header.metadata
    if _int(metadata, "split.count") > 1:
        raise MalformedHeader(0, "the model is split over several files: merge them into one first")
    architecture = _text(metadata, "general.architecture")
    if not architecture:
        raise MalformedHeader(0, "general.architecture is missing")
    return GgufSummary(
        architecture=architecture,
        name=_text(metadata, "general.name"),
        context_tokens=_int(metadata, f"{architecture}.context_length"),
        layers=_int(metadata, f"{architecture}.block_count"),
        vocabulary=_length(metadata.get("tokenizer.ggml.tokens")),
        parameters=sum(tensor.elements for tensor in header.tensors),
        tensor_bytes=sum(tensor.size for tensor in header.tensors),
        file_bytes=size,
        kv_bytes_per_token=_kv_bytes(metadata, architecture),
        has_chat_template=bool(_text(metadata, "tokenizer.chat_template")),
    )


def _kv_bytes(metadata: dict[str, Value], architecture: str) -> int:
    """Two bytes for each key and value element of every layer's heads."""
    heads = metadata.get(f"{architecture}.attention.head_count")
    kv_heads = metadata.get(f"{architecture}.attention.head_count_kv", heads)
    layers = _int(metadata, f"{architecture}.block_count")
    if isinstance(kv_heads, tuple):
        total = sum(count for count in kv_heads if isinstance(count, int))
    else:
        total = layers * (kv_heads if isinstance(kv_heads, int) else 0)
    first = heads[0] if isinstance(heads, tuple) and heads else heads
    width = _int(metadata, f"{architecture}.embedding_length")
    default = width // first if isinstance(first, int) and first > 0 else 0
    key_width = _int(metadata, f"{architecture}.attention.key_length") or default
    value_width = _int(metadata, f"{architecture}.attention.value_length") or default
    return 2 * max(total, 0) * (key_width + value_width)


def _int(metadata: dict[str, Value], key: str) -> int:
    value = metadata.get(key)
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0


def _text(metadata: dict[str, Value], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _length(value: Value | None) -> int:
    if isinstance(value, ArrayLength):
        return value.count
    return len(value) if isinstance(value, tuple) else 0
