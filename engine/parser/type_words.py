"""Types in words, for messages: "a whole number from 0 to 10", "a list of texts"."""

from __future__ import annotations

from typing import Any

import msgspec.inspect as inspection

from engine.ir.ids import Json


def kind_of(value: Json) -> str:
    """What a YAML value is, in words."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "named fields"


def describe_type(kind: Any, *, depth: int = 0) -> str:
    """The values a field takes, in words; `depth` steps into lists and mappings first."""
    info = inspection.type_info(kind)
    for _ in range(depth):
        info = _inside(info)
    return _words(info)


def _inside(info: inspection.Type) -> inspection.Type:
    match info:
        case inspection.UnionType(types=types):
            return _inside(next((t for t in types if not isinstance(t, inspection.NoneType)), info))
        case inspection.VarTupleType(item_type=item) | inspection.ListType(item_type=item):
            return item
        case inspection.DictType(value_type=value):
            return value
        case _:
            return info


def _words(info: inspection.Type) -> str:
    match info:
        case inspection.Metadata(type=inner):
            return _words(inner)
        case inspection.UnionType(types=types):
            shown = [_words(t) for t in types if not isinstance(t, inspection.NoneType)]
            return " or ".join(shown)
        case inspection.IntType():
            return "a whole number" + _bounds(info)
        case inspection.FloatType():
            return "a number" + _bounds(info)
        case inspection.BoolType():
            return "true or false"
        case inspection.StrType():
            return "text"
        case inspection.NoneType():
            return "nothing"
        case inspection.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspection.VarTupleType(item_type=item) | inspection.ListType(item_type=item):
            return f"a list of {_plural(_words(item))}"
        case inspection.DictType() | inspection.StructType():
            return "named fields"
        case _:
            return "any value"


def _plural(words: str) -> str:
    plurals = {"text": "texts", "any value": "values", "named fields": "entries with named fields"}
    return plurals.get(words, words.removeprefix("a ") + "s")


def _bounds(info: inspection.IntType | inspection.FloatType) -> str:
    low = f"from {info.ge}" if info.ge is not None else f"above {info.gt}" if info.gt is not None else ""
    high = f"to {info.le}" if info.le is not None else f"below {info.lt}" if info.lt is not None else ""
    if info.ge is not None and not high:
        low = f"of at least {info.ge}"
    return "".join(f" {part}" for part in (low, high) if part)
