"""Content keys: one hash for merging, coalescing, caching and resume.

A *structural* key is known at plan time: operator configuration plus, for each input, the query's value
or the producer's structural key. A *content* key is known when inputs are: configuration plus the
rendered work. Equal structural keys imply equal content keys for deterministic operators.
"""

from __future__ import annotations

import json
from hashlib import blake2b

import msgspec

from engine.ir.ids import ContentKey, Json

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def content_key(*parts: Json | msgspec.Struct) -> ContentKey:
    """blake2b-128 over the msgpack encoding of `parts`; dict order does not matter.

    Total for JSON: text with lone surrogates and whole numbers beyond 64 bits, which msgpack cannot say,
    have keys too.
    """
    try:
        encoded = _ENCODER.encode(parts)
    except (UnicodeEncodeError, OverflowError):
        encoded = json.dumps(msgspec.to_builtins(parts), sort_keys=True).encode()
    return ContentKey(blake2b(encoded, digest_size=16).hexdigest())
