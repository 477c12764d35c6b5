"""Cells to input values, by the types the workflow declares."""

from __future__ import annotations

import json
import math
import re
from typing import Final

import msgspec

from engine.ir.ids import Json
from engine.ir.json_values import LARGEST_INTEGER, SMALLEST_INTEGER, json_fault
from engine.ir.spec import InputType

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_LONGEST_NUMBER: Final = 64
_TOO_LARGE: Final = "holds a whole number beyond 64 bits"
_TRUTH: Final[dict[str, bool]] = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
}
_LIMIT: Final = 2**63
_SHOWN_CHARACTERS = 40


class BadValue(Exception):
    """A cell that is no value of the wanted type; the text is for people."""


def convert(value: Json, kind: InputType, *, textual: bool) -> Json:
    """`value` as an input of type `kind`. `textual`: it is text only because the table holds nothing else.

    Raises BadValue.
    """
    if isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise BadValue(_TOO_LARGE)
    match kind:
        case "string":
            return _string(value)
        case "integer":
            return _integer(value)
        case "number":
            return _number(value)
        case "boolean":
            return _boolean(value)
        case "json":
            return _json(value) if textual and isinstance(value, str) else value


def require_encodable(value: Json) -> None:
    """Raises BadValue for what the journal and the workers could not carry."""
    if isinstance(value, str) and value.isascii():
        return
    fault = json_fault(value, "")
    if fault is not None:
        raise BadValue(fault.strip())


def _string(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise BadValue(f"expected text, got {_shown(value)}")


def _integer(value: Json) -> int:
    if isinstance(value, str) and _INTEGER.match(value.strip()) and len(value) < _LONGEST_NUMBER:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValue(f"expected a whole number, got {_shown(value)}")
    if not -_LIMIT <= value < _LIMIT:
        raise BadValue(_TOO_LARGE)
    return value


def _number(value: Json) -> float | int:
    if isinstance(value, str) and len(value) < _LONGEST_NUMBER:
        text = value.strip()
        if _INTEGER.match(text):
            value = int(text)
        elif _NUMBER.match(text):
            value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise BadValue(f"expected a number, got {_shown(value)}")
    return value


def _boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    found = _TRUTH.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if found is None:
        raise BadValue(f"expected true or false, got {_shown(value)}")
    return found


def _json(text: str) -> Json:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadValue(f"expected JSON, got {_shown(text)}: {error}") from None


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
