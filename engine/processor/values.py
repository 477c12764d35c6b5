"""A generation's text to a node's value: parsed and held to its schema."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from jsonschema import Draft202012Validator

from engine.ir.ids import Json
from engine.ir.json_values import json_fault
from engine.ir.request import Generated
from engine.ir.result import Failure

_JSON = msgspec.json.Decoder()


def value_of(generated: Generated, schema: str | None) -> Json | Failure:
    """The text itself without a schema; with one, the parsed JSON, or a `schema_violation`.

    The grammar makes every prefix valid, so a violation is usually a text cut off at max_tokens; the full
    check also covers what a grammar cannot say (pattern lookaheads, numeric bounds on some back ends).
    """
    if schema is None:
        return generated.text
    try:
        value = _JSON.decode(generated.text)
    except (msgspec.DecodeError, RecursionError) as error:
        why = "cut off at max_tokens" if generated.finish == "length" else str(error)
        return _violation(f"not valid JSON ({why}): {_excerpt(generated.text)}")
    unfit = json_fault(value, "$")
    if unfit is not None:
        return _violation(unfit)
    try:
        fault = next(iter(_validator(schema).iter_errors(value)), None)
    except Exception as error:  # references to nowhere, patterns of another dialect, bottomless nesting
        return _violation(f"the schema cannot be applied to the output: {error}")
    if fault is not None:
        return _violation(f"{fault.json_path}: {fault.message}")
    return value


def _violation(message: str) -> Failure:
    return Failure(code="schema_violation", message=message)


def _excerpt(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(_JSON.decode(schema))
