"""JSON Schema as a grammar in llama.cpp's notation, which every backend's constraint is made from.

Objects have their required properties first, then optional ones, each in the schema's order; between tokens
there may be one space. Keywords no grammar can express (uniqueItems, …) are left to `schema_check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import jsonschema

from engine.backends.number_range import integer_rule, number_rule
from engine.backends.schema_check import uncompilable, validator
from engine.backends.schema_pattern import CHARACTER, pattern_expression
from engine.errors import BackendError
from engine.ir.ids import Json

_LONGEST_COUNTED = 500
"""Repetitions above this are unbounded in the grammar (libraries refuse large ones) and checked after."""

_DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [1-2] [0-9] | "3" [0-1])'
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ":" [0-5] [0-9] ("." [0-9]{{3}})? ("Z" | ("+" | "-") {_CLOCK})'
_UUID = ' "-" '.join(f"[0-9a-fA-F]{{{count}}}" for count in (8, 4, 4, 4, 12))
_FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    **dict.fromkeys(("uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"), _UUID),
}

_RULES = {
    "space": '" "?',
    "char": CHARACTER,
    "whole": "[0-9] | [1-9] [0-9]{1,15}",
    "string": '"\\"" char* "\\"" space',
    "integer": '"-"? whole space',
    "number": '"-"? whole ("." [0-9]{1,16})? ([eE] [-+]? whole)? space',
    "boolean": '("true" | "false") space',
    "null": '"null" space',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" space (string ":" space value ("," space string ":" space value)*)? "}" space',
    "array": '"[" space (value ("," space value)*)? "]" space',
}
_READS = {
    "string": ("char", "space"),
    "integer": ("whole", "space"),
    "number": ("whole", "space"),
    "boolean": ("space",),
    "null": ("space",),
    "value": ("object", "array", "string", "number", "boolean", "null"),
    "object": ("string", "value", "space"),
    "array": ("value", "space"),
}

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


@lru_cache(maxsize=256)
def grammar_text(schema: str) -> str:
    """The grammar of a JSON Schema text. Raises BackendError for a schema that cannot be converted."""
    try:
        validator(schema)
        return _Grammar(json.loads(schema)).text()
    except BackendError as error:
        raise uncompilable(error.message) from error
    except (RecursionError, ValueError, jsonschema.SchemaError) as error:
        raise uncompilable(str(error).splitlines()[0]) from error


class _Grammar:
    """Rules collected while a schema is walked; `root` is where references look."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._rules: dict[str, str] = {}
        self._references: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def text(self) -> str:
        """All rules, `root` among them."""
        self._rules["root"] = self.of(self._root)
        return "\n".join(f"{name} ::= {rule}" for name, rule in sorted(self._rules.items()))

    def of(self, schema: Json) -> str:
        """The expression for a schema; alternatives are in brackets."""
        plain = _plain(schema)
        if not plain:
            return self._primitive("value")
        if "$ref" in plain:
            return self._reference(plain["$ref"])
        for union in ("oneOf", "anyOf"):
            if union in plain:
                return _either(self.of(option) for option in plain[union])
        if "const" in plain:
            return _constant(plain["const"])
        if "enum" in plain:
            return _either(map(_constant, plain["enum"]))
        return self._typed(plain)

    def _typed(self, plain: dict[str, Any]) -> str:
        match plain.get("type"):
            case None | "object" if "allOf" in plain:
                return self._object(self._merged(plain))
            case "object":
                return self._object(plain)
            case "array":
                return self._array(plain)
            case "string":
                return self._string(plain)
            case "integer" | "number" as kind:
                return self._number(plain, kind)
            case kind:
                return self._primitive(str(kind))

    def _primitive(self, name: str) -> str:
        if name not in _RULES:
            raise BackendError(f"there is no type {name!r}")
        if name not in self._rules:
            self._rules[name] = _RULES[name]
            for read in _READS.get(name, ()):
                self._primitive(read)
        return name

    def _named(self, expression: str) -> str:
        """The name of a rule for an expression that is used in several places; the same for the same one."""
        if expression in self._rules:
            return expression
        if expression not in self._names:
            name = self._names[expression] = f"part-{len(self._names)}"
            self._rules[name] = expression
        return self._names[expression]

    def _reference(self, reference: str) -> str:
        """The name of the rule for what is referred to; made once, so that a schema may refer to itself."""
        if reference not in self._references:
            name = f"ref-{len(self._references)}"
            self._references[reference] = name
            self._rules[name] = self.of(self._find(reference))
        return self._references[reference]

    def _find(self, reference: str) -> Json:
        if reference != "#" and not reference.startswith("#/"):
            raise BackendError(f"unsupported $ref {reference}")
        found = self._root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                raise BackendError(f"$ref {reference}: there is no {name!r}")
        return found

    # --- objects ------------------------------------------------------------------------------------

    def _merged(self, plain: dict[str, Any]) -> dict[str, Any]:
        """One object of all parts; properties of a part's alternatives are optional."""
        merged: dict[str, Any] = {"type": "object", "properties": dict(plain.get("properties", {}))}
        required = set(plain.get("required", ()))
        for part in plain["allOf"]:
            for option in part.get("anyOf", (part,)):
                found = self._resolved(option)
                merged["properties"].update(found.get("properties", {}))
                if "anyOf" not in part:
                    required |= set(found.get("required", ()))
        merged["required"] = [name for name in merged["properties"] if name in required]
        return merged

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        found: Json = schema
        seen = set()
        while isinstance(found, dict) and "$ref" in found and found["$ref"] not in seen:
            seen.add(found["$ref"])
            found = self._find(found["$ref"])
        if not isinstance(found, dict) or "$ref" in found:
            raise BackendError("allOf refers to what is no object")
        return self._merged(found) if "allOf" in found else found

    def _object(self, plain: Mapping[str, Any]) -> str:
        others = plain.get("additionalProperties")
        if "properties" not in plain and others in (None, True):
            return self._primitive("object")
        properties: dict[str, Json] = plain.get("properties", {})
        required = [name for name in properties if name in plain.get("required", ())]
        optional = [name for name in properties if name not in required]
        space = self._primitive("space")
        pairs = {name: self._pair(name, properties[name]) for name in properties}
        chain = [pairs[name] for name in optional]
        rest = None if others in (None, False) else self._other_pairs(others)
        parts = f' "," {space} '.join(pairs[name] for name in required)
        tail = _in_order(chain, rest, space)
        if tail:
            parts += f' ("," {space} ({tail}))?' if required else f" ({tail})?"
        return f'"{{" {space} {parts} "}}" {space}'

    def _pair(self, name: str, schema: Json) -> str:
        space = self._primitive("space")
        return self._named(f'{_constant(name)} {space} ":" {space} {self.of(schema)}')

    def _other_pairs(self, schema: Json) -> str:
        """One or more properties of any name."""
        string, space = self._primitive("string"), self._primitive("space")
        pair = self._named(f'{string} ":" {space} {self.of(schema)}')
        return f'{pair} ("," {space} {pair})*'

    # --- arrays, strings, numbers -------------------------------------------------------------------

    def _array(self, plain: Mapping[str, Any]) -> str:
        space = self._primitive("space")
        items = plain["prefixItems"] if "prefixItems" in plain else plain["items"]
        if isinstance(items, list):
            inside = f' "," {space} '.join(self.of(item) for item in items)
            return f'"[" {space} {inside} "]" {space}'
        item, comma = self._named(self.of(items)), f'"," {space}'
        low, high = plain.get("minItems", 0), plain.get("maxItems")
        if high == 0:
            inside = ""
        else:
            more = "" if high is None else high - 1
            inside = f"{item} ({comma} {item}){{{max(0, low - 1)},{more}}}"
            inside = inside if low else f"({inside})?"
        return f'"[" {space} {inside} "]" {space}'

    def _string(self, plain: Mapping[str, Any]) -> str:
        space = self._primitive("space")
        form = plain.get("format")
        if "pattern" in plain:
            inside = pattern_expression(plain["pattern"])
        elif form in _FORMATS:
            inside = _FORMATS[form]
        elif "minLength" in plain or "maxLength" in plain:
            inside = f"{self._primitive('char')}{{{plain.get('minLength', 0)},{plain.get('maxLength', '')}}}"
        else:
            return self._primitive("string")
        return f'"\\"" {inside} "\\"" {space}'

    def _number(self, plain: dict[str, Any], kind: str) -> str:
        bounds = _bounds(plain)
        rule = None
        if bounds is not None:
            rule = integer_rule(*bounds) if kind == "integer" else number_rule(*bounds)
        return self._primitive(kind) if rule is None else f"{rule} {self._primitive('space')}"


def _in_order(chain: list[str], rest: str | None, space: str) -> str:
    """Any of the pairs, at least one, in this order, then the rest; empty when there is nothing to choose."""
    options = []
    tail = "" if rest is None else f' ("," {space} {rest})?'
    for pair in reversed(chain):
        options.append(f"{pair}{tail}")
        tail = f' ("," {space} {pair})?{tail}'
    options.reverse()
    if rest is not None:
        options.append(rest)
    return _either(options) if options else ""


def _either(options: Iterable[str]) -> str:
    found = list(options)
    if not found:
        raise BackendError("there is no value to choose from")
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"


def _constant(value: Json) -> str:
    spelled = json.dumps(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{spelled}"'


def _plain(schema: Json) -> dict[str, Any]:
    """The schema with its type said and what a grammar ignores left out; {} accepts anything."""
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
    whole = schema["type"] == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    if whole and "exclusiveMinimum" in schema:
        low = max(schema["exclusiveMinimum"] + 1, schema["exclusiveMinimum"] + 1 if low is None else low)
    if whole and "exclusiveMaximum" in schema:
        high = min(schema["exclusiveMaximum"] - 1, schema["exclusiveMaximum"] - 1 if high is None else high)
    return None if low is None and high is None else (low, high)
