"""JSON Schema as a llama.cpp grammar.

The library's own converter does the work; this module feeds it schemas it honours completely and mends
what it gets wrong: control characters inside strings, unescaped backslashes in constants, integer bounds,
lists of types, and open values. Keywords no grammar can express (uniqueItems, …) are left to `violation`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import jsonschema
import llama_cpp.llama_grammar as _library

from engine.backends.llama_cpp.number_range import integer_rule, number_rule
from engine.errors import BackendError
from engine.ir.ids import Json

_library_untyped: Any = _library
_Library: Any = _library_untyped.SchemaConverter
_PRIMITIVES: Any = _library_untyped.PRIMITIVE_RULES
_RESERVED: Any = _library_untyped.RESERVED_NAMES

_CHAR = _library_untyped.BuiltinRule(r'[^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt]', [])
"""One character of a string. No \\u escapes: they can spell lone surrogates, and UTF-8 says it shorter."""

_LONGEST_COUNTED = 500
"""Repetitions above this are unbounded in the grammar (the library refuses large ones) and checked after."""

_ANNOTATIONS = frozenset(
    ("title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly")
)
_KIND_OF = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
    "minLength": "string",
    "maxLength": "string",
    "pattern": "string",
    "format": "string",
    "minimum": "number",
    "maximum": "number",
}
_STRUCTURE = frozenset(("$ref", "anyOf", "oneOf", "allOf", "const", "enum", "type"))


class _Converter(_Library):  # type: ignore[misc]  # the library is untyped
    def visit(self, schema: Json, name: str) -> str:
        schema = _plain(schema)
        if schema == {}:
            return str(self._add_primitive("root" if not name else "value", _PRIMITIVES["value"]))
        bounds = _bounds(schema)
        if bounds is not None:
            rule = integer_rule(*bounds) if schema["type"] == "integer" else number_rule(*bounds)
            if rule is not None:
                own_name = f"{name}-" if name in _RESERVED else name or "root"
                return str(self._add_rule(own_name, f"{rule} space"))
        return str(super().visit(schema, name))

    def _format_literal(self, literal: str) -> str:
        return str(super()._format_literal(literal.replace("\\", "\\\\")))

    def _add_primitive(self, name: str, rule: Any) -> str:
        return str(super()._add_primitive(name, _CHAR if name == "char" else rule))


@lru_cache(maxsize=256)
def grammar_text(schema: str) -> str:
    """GBNF of a JSON Schema text. Raises BackendError for a schema that cannot be converted."""
    try:
        value = json.loads(schema)
        _validator(schema)
        converter = _Converter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
        converter.visit(converter.resolve_refs(value, "schema"), "")
        return str(converter.format_grammar())
    except (RecursionError, jsonschema.SchemaError) as error:
        raise _uncompilable(str(error).splitlines()[0]) from error
    except Exception as error:  # the converter raises whatever its code runs into
        raise _uncompilable(str(error) or type(error).__name__) from error


def violation(schema: str, text: str) -> str | None:
    """Why `text` is not JSON satisfying `schema`, or None."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"the output is not JSON: {error}"
    fault = jsonschema.exceptions.best_match(_validator(schema).iter_errors(value))
    return None if fault is None else f"{fault.json_path}: {fault.message}"[:300]


def _uncompilable(reason: str) -> BackendError:
    return BackendError(
        f"schema cannot be compiled: {reason}",
        fix="use objects, arrays, strings, numbers, enum, const, anyOf and local $ref",
    )


@lru_cache(maxsize=256)
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    value = json.loads(schema)
    jsonschema.Draft202012Validator.check_schema(value)
    return jsonschema.Draft202012Validator(value)


def _plain(schema: Json) -> dict[str, Any]:
    """The schema in the form the converter understands; {} accepts anything."""
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        raise BackendError(f"{schema!r} admits no value")
    plain = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    if not plain.keys() & _STRUCTURE:
        kinds = {_KIND_OF[key] for key in plain if key in _KIND_OF}
        if len(kinds) != 1:
            return {}
        plain["type"] = kinds.pop()
    if isinstance(plain.get("type"), list):
        rest = {key: value for key, value in plain.items() if key != "type"}
        if rest.keys() & {"enum", "const"}:
            return rest
        return {"anyOf": [{**rest, "type": kind} for kind in plain["type"]]}
    return _plain_typed(plain)


def _plain_typed(plain: dict[str, Any]) -> dict[str, Any]:
    match plain.get("type"):
        case "object" if "properties" in plain or "required" in plain:
            named = dict(plain.get("properties", {}))
            named.update({name: {} for name in plain.get("required", ()) if name not in named})
            plain["properties"] = named
        case "array":
            if "prefixItems" in plain:
                plain.pop("items", None)
            else:
                plain.setdefault("items", {})
                if plain["items"] in (True, {}):
                    plain["items"] = {"type": ["string", "number", "boolean", "null", "object"]}
        case "string":
            if plain.get("maxLength", 0) > _LONGEST_COUNTED:
                del plain["maxLength"]
            if plain.get("minLength", 0) > _LONGEST_COUNTED:
                plain["minLength"] = _LONGEST_COUNTED
        case _:
            pass
    return plain


def _bounds(schema: dict[str, Any]) -> tuple[float | None, float | None] | None:
    """Inclusive bounds of a bounded number; None when it has none (or they are not for a grammar)."""
    if schema.get("type") not in ("integer", "number") or schema.keys() & {"enum", "const"}:
        return None
    whole = schema["type"] == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    if whole and "exclusiveMinimum" in schema:
        low = max(schema["exclusiveMinimum"] + 1, schema["exclusiveMinimum"] + 1 if low is None else low)
    if whole and "exclusiveMaximum" in schema:
        high = min(schema["exclusiveMaximum"] - 1, schema["exclusiveMaximum"] - 1 if high is None else high)
    return None if low is None and high is None else (low, high)
