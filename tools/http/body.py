"""Reading an answer's body within bounds: of size on the wire, and of size once inflated."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import httpx
import msgspec

from engine.errors import ToolError
from engine.ir.ids import Json
from engine.ir.json_values import json_fault

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


def read_body(chunks: Iterable[bytes], headers: httpx.Headers, max_bytes: int) -> bytes:
    """The decoded body.

    Raises ToolError: result_too_large beyond `max_bytes`, http_error for an unknown or repeated content
    coding (a body compressed twice is not a thing honest servers send) and for corrupt data.
    """
    codings = [
        name
        for name in (part.strip().lower() for part in headers.get("content-encoding", "").split(","))
        if name and name != "identity"
    ]
    if not codings:
        return _collect(chunks, max_bytes)
    if len(codings) > 1 or codings[0] not in _CODINGS:
        raise ToolError(f"content-encoding {', '.join(codings)!r} is not supported", code="http_error")
    return _inflate(chunks, max_bytes)


def _collect(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _inflate(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    """Inflate as data arrives, never asking zlib for more than may still be kept."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    body = bytearray()
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes)
        try:
            body += inflater.decompress(chunk, max_bytes + 1 - len(body))
        except zlib.error as error:
            raise ToolError(f"the compressed body is corrupt: {error}", code="http_error") from None
        if len(body) > max_bytes or inflater.unconsumed_tail:
            raise _too_large(max_bytes)
    if not inflater.eof and received:
        raise ToolError("the compressed body is cut off", code="http_error", retryable=True)
    return bytes(body)


def _too_large(max_bytes: int) -> ToolError:
    return ToolError(
        f"the answer exceeds max_bytes = {max_bytes}", code="result_too_large", fix="raise max_bytes"
    )


def interpret(body: bytes, headers: httpx.Headers, expect: str) -> Json:
    """JSON or text by `expect`; auto follows the content type. Raises ToolError (http_error)."""
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if expect == "json" or (expect == "auto" and (media_type.endswith(("/json", "+json")))):
        return _json(body) if body else None
    return _text(body, content_type)


def _json(body: bytes) -> Json:
    try:
        value = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ToolError(f"the answer is not JSON: {error}", code="http_error") from None
    fault = json_fault(value, "the answer")
    if fault is not None:
        raise ToolError(fault, code="http_error")
    return value


def _text(body: bytes, content_type: str) -> str:
    charset = httpx.Response(200, headers={"content-type": content_type}).charset_encoding or "utf-8"
    try:
        text = body.decode(charset, "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()
