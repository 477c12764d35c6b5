"""The filter language of tables: what a person types after `/`, as conditions.

    overdue                     rows in which some text contains it, whatever the case
    "two words"                 the same for a phrase; quotes also keep : and - from meaning anything
    state:failed  node:extract  that column: a name written out whole means only itself, else part of it
    state:failed,skipped        either
    prompt:>100  took:<=2k      a number: > >= < <= =, also 10..20; k, M and G are thousands upward
    -state:done  -draft         rows for which the rest does not hold

Everything must hold at once. A fault is a value that says in words what is wrong and what to write.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias

from engine.ir.ids import Record
from haloctl.suggest import closest
from haloctl.tui.cells import one_line

FieldKind = Literal["text", "choice", "number"]
NamesOf: TypeAlias = Callable[[str], Sequence[str] | None]
"""Column → the names it can have as far as they are known; None where it holds anything else."""

_TERM = re.compile(
    r"(?P<negated>-?)(?:(?P<field>[^\s:\"]+):)?(?:\"(?P<quoted>[^\"]*)(?P<closed>\"?)|(?P<bare>[^\s\"]*))"
)
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[kKMG]?")
_SIZES: Final = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}


_NAMED: Final = 12
"""Names that are told as possible."""


class Contains(Record, frozen=True, kw_only=True):
    """Some text contains one of `needles` (case folded); `field` is empty for any text of the row."""

    field: str = ""
    needles: tuple[str, ...]
    negated: bool = False


class Range(Record, frozen=True, kw_only=True):
    """Numbers from `low` to `high`, each bound counted in where `closed`."""

    low: float = -math.inf
    high: float = math.inf
    low_closed: bool = True
    high_closed: bool = True


class Within(Record, frozen=True, kw_only=True):
    """A number lies in one of `ranges`; a row without a number lies in none."""

    field: str
    ranges: tuple[Range, ...]
    negated: bool = False


class FilterFault(Record, frozen=True, kw_only=True):
    """Why a filter means nothing: a sentence, and the column of the text it is about, from 0."""

    message: str
    column: int


Condition: TypeAlias = Contains | Within
Conditions: TypeAlias = tuple[Condition, ...]


def parse_filter(text: str, fields: Mapping[str, FieldKind]) -> Conditions | FilterFault:
    """`text` as conditions over columns named `fields`: none for blank text, or the first fault."""
    conditions: list[Condition] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        term = _TERM.match(text, position)
        assert term is not None  # every part of a term may be empty
        made = _condition(term, fields)
        if isinstance(made, FilterFault):
            return made
        conditions.append(made)
        position = term.end()
    return tuple(conditions)


def stray_name(conditions: Conditions, names_of: NamesOf) -> str:
    """What to say of the first name in `conditions` that no row can have by now; nothing if there is none."""
    for condition in conditions:
        if not isinstance(condition, Contains) or not condition.field:
            continue
        names = names_of(condition.field)
        if names is None:
            continue
        known = [name.casefold() for name in names]
        for needle in condition.needles:
            if not any(needle in name for name in known):
                return _stray(condition.field, needle, names)
    return ""


def _stray(field: str, needle: str, names: Sequence[str]) -> str:
    near = get_close_matches(needle, names, n=1)
    more = ", …" if len(names) > _NAMED else ""
    there = ", ".join(one_line(name, 24) for name in names[:_NAMED]) + more or "there is none yet"
    said = f"{one_line(needle, 24)!r} is no {field}"
    return f"{said}, did you mean {one_line(near[0], 24)!r}? {there}" if near else f"{said}: {there}"


def _condition(term: re.Match[str], fields: Mapping[str, FieldKind]) -> Condition | FilterFault:
    at, negated, name = term.start(), bool(term["negated"]), term["field"] or ""
    quoted = term["quoted"] is not None
    if quoted and not term["closed"]:
        return FilterFault(message='a quote is not closed: add "', column=at)
    value = term["quoted"] if quoted else term["bare"]
    if not value:
        return _nothing(name, quoted, at, fields)
    if not name:
        return Contains(needles=(value.casefold(),), negated=negated)
    kind = fields.get(name.lower())
    if kind is None:
        return _unknown(name, term.group().removeprefix("-"), at, fields)
    values = (value,) if quoted else tuple(part for part in value.split(",") if part)
    if not values:
        return FilterFault(message=f"{name}: wants a value before or after the comma", column=at)
    if kind == "number":
        return _within(name.lower(), values, negated, at)
    return Contains(field=name.lower(), needles=tuple(part.casefold() for part in values), negated=negated)


def _nothing(name: str, quoted: bool, at: int, fields: Mapping[str, FieldKind]) -> FilterFault:
    if name and name.lower() not in fields:
        return _unknown(name, f"{name}:", at, fields)
    if name:
        example = ">100" if fields[name.lower()] == "number" else "word"
        return FilterFault(message=f"{name}: wants a value, as in {name}:{example}", column=at)
    if quoted:
        return FilterFault(message="nothing stands between the quotes", column=at)
    return FilterFault(message="a - wants a word after it, as in -state:done", column=at)


def _unknown(name: str, written: str, at: int, fields: Mapping[str, FieldKind]) -> FilterFault:
    shown = one_line(name, 24)
    fix = closest(name.lower(), fields).replace("known names: ", "columns are ")
    fix += "" if fix.endswith("?") else "."
    text = one_line(written.replace('"', ""), 24)
    return FilterFault(message=f'no column {shown!r}; {fix} For text with a colon write "{text}"', column=at)


def _within(field: str, values: tuple[str, ...], negated: bool, at: int) -> Within | FilterFault:
    ranges = []
    for value in values:
        made = _range(value)
        if made is None:
            shown = one_line(value, 24)
            message = (
                f"{field} is a number, {shown!r} is none: write {field}:>100, {field}:10..20 or {field}:7"
            )
            return FilterFault(message=message, column=at)
        ranges.append(made)
    return Within(field=field, ranges=tuple(ranges), negated=negated)


def _range(value: str) -> Range | None:
    if ".." in value:
        low, _, high = value.partition("..")
        bounds = (
            -math.inf if not low and high else _number(low),
            math.inf if not high and low else _number(high),
        )
        return None if None in bounds else Range(low=bounds[0] or 0.0, high=bounds[1] or 0.0)
    sign = re.match(r"[<>]?=?", value)
    assert sign is not None
    number = _number(value[sign.end() :])
    if number is None:
        return None
    match sign.group():
        case ">" | ">=" as more:
            return Range(low=number, low_closed=more == ">=")
        case "<" | "<=" as less:
            return Range(high=number, high_closed=less == "<=")
        case _:
            return Range(low=number, high=number)


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    size = _SIZES.get(text[-1])
    return float(text[:-1]) * size if size else float(text)
