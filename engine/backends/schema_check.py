"""JSON Schema as every backend holds texts to it after decoding: whatever a grammar could not say."""

from __future__ import annotations

import json
from functools import lru_cache

import jsonschema

from engine.errors import BackendError


def violation(schema: str, text: str) -> str | None:
    """Why `text` is not JSON satisfying `schema`, or None."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"the output is not JSON: {error}"
    fault = jsonschema.exceptions.best_match(validator(schema).iter_errors(value))
    return None if fault is None else f"{fault.json_path}: {fault.message}"[:300]


@lru_cache(maxsize=256)
def validator(schema: str) -> jsonschema.Draft202012Validator:
    """Of a schema's text. Raises ValueError for what is not JSON, jsonschema.SchemaError for no schema."""
    value = json.loads(schema)
    jsonschema.Draft202012Validator.check_schema(value)
    return jsonschema.Draft202012Validator(value)


def uncompilable(reason: str) -> BackendError:
    """The error for a schema that no grammar can be made of."""
    return BackendError(
        f"schema cannot be compiled: {reason}",
        fix="use objects, arrays, strings, numbers, enum, const, anyOf and local $ref",
    )
