"""The filters and tests of prompt templates: Jinja2's own where they are harmless, bounded where not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
import msgspec
from jinja2 import Undefined, filters, tests

from engine.ir.ids import Json
from engine.templating.failures import TemplateFailed
from engine.templating.views import MISSING, Answer, Table, as_json, field, printed, unwrap

MAX_TEXT = 1 << 20
"""Characters a template may render to, and any one filter may produce."""
_MAX_PRECISION = 30


def as_text(value: Any) -> str:
    """What would be printed, for filters that work on text. An undefined value complains by itself."""
    return str(value) if isinstance(value, Undefined) else printed(value)


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter from text to text, for texts that could be printed."""

    def filter_text(value: Any, *arguments: Any, **options: Any) -> Any:
        text = as_text(value)
        if len(text) > MAX_TEXT:
            raise TemplateFailed(f"a text of {len(text)} characters; the limit is {MAX_TEXT}")
        return function(text, *arguments, **options)

    return filter_text


def _tojson(value: Any, indent: int | None = None) -> str:
    _complain_if_undefined(value)
    if indent is None:
        return as_json(value)
    encoder = json.JSONEncoder(ensure_ascii=False, indent=max(0, min(int(indent), 8)))
    texts: list[str] = []
    room = MAX_TEXT
    for text in encoder.iterencode(unwrap(value)):
        texts.append(text)
        room -= len(text)
        if room < 0:
            raise TemplateFailed(f"tojson would produce over {MAX_TEXT} characters")
    return "".join(texts)


def _fromjson(value: Any) -> Json:
    """Only what every later stage can carry: no NaN, no lone surrogates, no numbers beyond 64 bits."""
    try:
        parsed = msgspec.json.decode(as_text(value))
        msgspec.msgpack.encode(parsed)
    except (msgspec.MsgspecError, OverflowError, RecursionError, UnicodeError) as error:
        raise TemplateFailed(f"fromjson: the text is not JSON: {error}") from None
    return parsed


def _replace(value: Any, old: str, new: str) -> str:
    text, old, new = as_text(value), str(old), str(new)
    grown = len(text) + text.count(old) * (len(new) - len(old))
    if grown > MAX_TEXT:
        raise TemplateFailed(f"replace would produce {grown} characters; the limit is {MAX_TEXT}")
    return text.replace(old, new)


def _join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    _complain_if_undefined(value)
    items = value if attribute is None else [_attribute(entry, attribute) for entry in value]
    texts = [as_text(entry) for entry in items]
    total = sum(map(len, texts)) + len(str(separator)) * max(0, len(texts) - 1)
    if total > MAX_TEXT:
        raise TemplateFailed(f"join would produce {total} characters; the limit is {MAX_TEXT}")
    return str(separator).join(texts)


def _attribute(entry: Any, name: str) -> Any:
    found = field(entry, name)
    if found is MISSING:
        raise TemplateFailed(f"an item of the list has no field {name!r}")
    return found


def _round(value: Any, precision: Any = 0, method: str = "common") -> float:
    _complain_if_undefined(value)
    if not isinstance(precision, int) or abs(precision) > _MAX_PRECISION:
        raise TemplateFailed(f"round to {precision!r} places is refused")
    return filters.do_round(value, precision, method)  # type: ignore[arg-type]


def _split(value: Any, separator: str | None = None) -> list[str]:
    return as_text(value).split(separator)


def _items(value: Any) -> list[tuple[str, Any]]:
    _complain_if_undefined(value)
    value = unwrap(value)
    if not isinstance(value, dict):
        raise TemplateFailed("items works on objects only")
    return list(value.items())


def _length(value: Any) -> int:
    _complain_if_undefined(value)
    if isinstance(value, Answer):
        value = value.raw["body"]
    try:
        return len(value)
    except TypeError:
        raise TemplateFailed(f"length: {printed(value)!r} has none") from None


def _trim(value: Any, characters: str | None = None) -> str:
    return as_text(value).strip(characters)


def _complain_if_undefined(value: Any) -> None:
    if isinstance(value, Undefined):
        str(value)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Table) or tests.test_sequence(value)


_BORROWED = (
    "abs",
    "default",
    "d",
    "dictsort",
    "first",
    "float",
    "groupby",
    "int",
    "last",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "sort",
    "sum",
    "unique",
)

FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: filters.FILTERS[name] for name in _BORROWED},
    "lower": _on_text(str.lower),
    "upper": _on_text(str.upper),
    "capitalize": _on_text(str.capitalize),
    "title": _on_text(filters.do_title),
    "urlencode": _on_text(filters.do_urlencode),
    "truncate": jinja2.pass_environment(
        lambda environment, value, *arguments, **options: filters.do_truncate(
            environment, as_text(value), *arguments, **options
        )
    ),
    "wordcount": lambda value: len(as_text(value).split()),
    "count": _length,
    "fromjson": _fromjson,
    "items": _items,
    "join": _join,
    "length": _length,
    "replace": _replace,
    "round": _round,
    "split": _split,
    "string": as_text,
    "tojson": _tojson,
    "trim": _trim,
}

_TESTS = (
    "boolean",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "string",
    "true",
    "undefined",
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
)
_JINJA_TESTS: Mapping[str, Any] = tests.TESTS
TESTS: Mapping[str, Callable[..., Any]] = {
    **{name: _JINJA_TESTS[name] for name in _TESTS},
    "sequence": _is_sequence,
}
