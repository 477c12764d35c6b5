"""What may be a value in a run: JSON that every later stage can carry (msgpack, UTF-8, bounded recursion)."""

from __future__ import annotations

import math

from engine.ir.ids import Json

SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1
_DEEPEST = 64


def json_fault(value: Json, place: str = "result", depth: int = 0) -> str | None:
    """The first thing in `value` that is not JSON, as a sentence with its place; None when all is."""
    if depth > _DEEPEST:
        return f"{place} is nested deeper than {_DEEPEST} levels"
    match value:
        case None | bool():
            return None
        case int():
            return None if SMALLEST_INTEGER <= value <= LARGEST_INTEGER else f"{place} exceeds 64 bits"
        case float():
            return None if math.isfinite(value) else f"{place} is {value}, which JSON cannot hold"
        case str():
            return None if _is_unicode(value) else f"{place} holds a lone surrogate"
        case list() | tuple():
            faults = (json_fault(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value))
            return next(filter(None, faults), None)
        case dict():
            return _dict_fault(value, place, depth)
        case _:
            return f"{place} is a {type(value).__name__}, which is not JSON"


def _dict_fault(value: dict[Json, Json], place: str, depth: int) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f"{place} has the key {key!r}, which is not a string"
        if not _is_unicode(key):
            return f"{place} has a key with a lone surrogate"
        fault = json_fault(item, f"{place}.{key}", depth + 1)
        if fault is not None:
            return fault
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
