"""A JSON value that satisfies a JSON Schema, chosen by a seed: what the echo backend answers with."""

from __future__ import annotations

import random
from math import ceil, floor
from typing import Any

from engine.errors import BackendError
from engine.ir.ids import Json

_WORDS = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "juniper")
_DEEP = 8
"""Below this depth only what is required is produced, so that recursive schemas end."""

_FORMATS = {
    "date": "2024-01-{:02d}",
    "time": "12:00:{:02d}Z",
    "date-time": "2024-01-01T12:00:{:02d}Z",
    "email": "user{:02d}@example.org",
    "uuid": "00000000-0000-4000-8000-0000000000{:02d}",
}


def instance(schema: Json, seed: int) -> Json:
    """A value valid for `schema`, the same for the same seed.

    Raises BackendError for a keyword that cannot be honoured (pattern, not, unresolved $ref).
    """
    return _Builder(schema, random.Random(seed)).value(schema, 0)


class _Builder:
    def __init__(self, root: Json, source: random.Random) -> None:
        self.root = root
        self.random = source

    def value(self, schema: Json, depth: int) -> Json:
        if schema is True or schema == {}:
            return self.random.choice(_WORDS)
        if not isinstance(schema, dict):
            raise BackendError(f"schema cannot be compiled: {schema!r} admits no value")
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self.value(self._pick(schema[union], depth), depth)
        return self._typed(schema, depth)

    def _pick(self, options: list[Any], depth: int) -> Json:
        if depth > _DEEP:  # a way out of recursion: something without structure, if there is any
            options = [o for o in options if not {"$ref", "properties", "items"} & set(o)] or options
        return self.random.choice(options)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`$ref` followed and `allOf` merged."""
        seen = 0
        while "$ref" in schema:
            target = self._target(schema["$ref"])
            schema = {**{k: v for k, v in schema.items() if k != "$ref"}, **target}
            seen += 1
            if seen > 32:
                raise BackendError("schema cannot be compiled: $ref goes in circles")
        for part in schema.get("allOf", ()):
            part = self._resolved(part)
            merged = {**schema.get("properties", {}), **part.get("properties", {})}
            required = [*schema.get("required", ()), *part.get("required", ())]
            schema = {**schema, **part}
            if merged:
                schema.update(properties=merged, required=required)
        if "not" in schema or "pattern" in schema:
            raise BackendError("schema cannot be compiled: the echo backend knows neither pattern nor not")
        return schema

    def _target(self, reference: str) -> dict[str, Any]:
        node = self.root
        if not reference.startswith("#"):
            raise BackendError(f"schema cannot be compiled: $ref {reference!r} is not local")
        for key in reference.strip("#/").split("/"):
            if not key:
                continue
            key = key.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or key not in node:
                raise BackendError(f"schema cannot be compiled: $ref {reference!r} leads nowhere")
            node = node[key]
        return dict(node)

    def _typed(self, schema: dict[str, Any], depth: int) -> Json:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = self.random.choice([k for k in kind if k != "null"] or kind)
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema)
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return self.random.random() < 0.5
            case "null":
                return None
            case _:
                raise BackendError(f"schema cannot be compiled: unknown type {kind!r}")

    def _object(self, schema: dict[str, Any], depth: int) -> Json:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        wanted = [name for name in properties if depth <= _DEEP or name in required]
        wanted += [name for name in required if name not in properties]
        return {name: self.value(properties.get(name, {}), depth + 1) for name in wanted}

    def _array(self, schema: dict[str, Any], depth: int) -> Json:
        fixed = [self.value(item, depth + 1) for item in schema.get("prefixItems", ())]
        items = schema.get("items", {})
        if items is False:
            return fixed
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", least + 2)
        length = least if depth > _DEEP else self.random.randint(least, max(least, min(most, least + 2)))
        values: list[Json] = fixed[:most]
        for _ in range(64 * (length + 1)):
            if len(values) >= length:
                break
            value = self.value(items, depth + 1)
            if not schema.get("uniqueItems") or value not in values:
                values.append(value)
        return values

    def _string(self, schema: dict[str, Any]) -> str:
        form = _FORMATS.get(schema.get("format", ""))
        if form is not None:
            return form.format(self.random.randint(10, 28))
        words = [self.random.choice(_WORDS), self.random.choice(_WORDS)]
        length, least = len(words[0]) + 1 + len(words[1]), schema.get("minLength", 0)
        while length < least:  # counted: to lengthen a text word by word costs its length squared
            words.append(self.random.choice(_WORDS))
            length += 1 + len(words[-1])
        text = " ".join(words)
        return text[: schema.get("maxLength", len(text))]

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        step = schema.get("multipleOf", 1 if whole else 0.5)
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        low = (0 if high is None else high - 100 * step) if low is None else low
        high = low + 100 * step if high is None else high
        first, last = ceil(low / step), floor(high / step)
        first += first * step == schema.get("exclusiveMinimum")
        last -= last * step == schema.get("exclusiveMaximum")
        if first > last:
            if whole or low > high:
                raise BackendError("schema cannot be compiled: no number lies within its bounds")
            return float((low + high) / 2)
        return float(self.random.randint(first, last) * step)
