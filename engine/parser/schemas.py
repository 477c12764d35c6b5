"""Output schemas of model calls: valid JSON Schema, and only what can be enforced while decoding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from jsonschema import Draft202012Validator

from engine.ir.ids import Json
from engine.parser.faults import Faults
from engine.parser.schema_sense import check_ends, check_keywords
from engine.parser.source_map import Path

UNSUPPORTED: Final = frozenset(
    {
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "multipleOf",
        "not",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
"""Keywords a grammar cannot express; a schema using them would promise what decoding cannot keep."""

_MAPPINGS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")


def canonical_schema(schema: Json) -> str:
    """Compact JSON text. Key order is kept: it is the order in which a model writes the keys."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def check_schema(schema: Json, path: Path, faults: Faults) -> None:
    """Report what is wrong with a schema, each fault at its own line."""
    errors = list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    for error in errors:
        faults.at_value(
            (*path, *error.absolute_path),
            "bad_schema",
            f"not valid JSON Schema: {error.message[:200]}",
            "see json-schema.org for what may stand here",
        )
    if errors:
        return
    parts = list(_subschemas(schema, path))
    for at, part in parts:
        _check_part(schema, part, at, faults)
        check_keywords(part, at, faults)
    check_ends(parts, lambda reference: _lookup(schema, reference), faults)


def _subschemas(schema: Json, path: Path) -> Iterator[tuple[Path, dict[str, Json]]]:
    stack: list[tuple[Path, Json]] = [(path, schema)]
    while stack:
        at, part = stack.pop()
        if not isinstance(part, dict):
            continue
        yield at, part
        for key in _MAPPINGS:
            stack.extend(((*at, key, name), inner) for name, inner in part.get(key, {}).items())
        for key in _LISTS:
            stack.extend(((*at, key, i), inner) for i, inner in enumerate(part.get(key, [])))
        stack.extend(((*at, key), part[key]) for key in _SINGLE if key in part)


def _check_part(root: Json, part: dict[str, Json], at: Path, faults: Faults) -> None:
    for keyword in UNSUPPORTED & part.keys():
        faults.at_key(
            (*at, keyword),
            "bad_schema",
            f"{keyword!r} cannot be enforced while a model writes",
            "leave it out, or check the value in a python operator",
        )
    for name in part.get("required", []):
        if "properties" in part and name not in part["properties"]:
            faults.at_value(
                (*at, "required"),
                "bad_schema",
                f"{name!r} is required but not among the properties",
                f"add {name!r} to properties, or take it out of required",
            )
    if "$ref" in part and _lookup(root, part["$ref"]) is None:
        faults.at_value(
            (*at, "$ref"),
            "bad_schema",
            f"{part['$ref']!r} points at nothing in this schema",
            "point at a definition of the same schema, as in '#/$defs/name'",
        )


def _lookup(root: Json, reference: str) -> Json:
    if reference != "#" and not reference.startswith("#/"):
        return None
    found = root
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found


def schema_fields(root: dict[str, Json], schema: Json) -> dict[str, Json] | None:
    """Properties an object of this schema can have, or None when it may have any."""
    if not isinstance(schema, dict):
        return None
    for _ in range(16):
        if "$ref" not in schema:
            break
        schema = _lookup(root, schema["$ref"]) or {}
    if any(key in schema for key in ("anyOf", "oneOf", "allOf")):
        return None
    if schema.get("additionalProperties", False) is not False:
        return None
    if "properties" in schema:
        return dict(schema["properties"])
    kind = schema.get("type")
    return {} if isinstance(kind, str) and kind != "object" else None
