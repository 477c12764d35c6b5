"""Schemas that are valid and still useless: nothing satisfies them, or only what never ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from engine.ir.ids import Json
from engine.parser.faults import Faults
from engine.parser.source_map import Path

_BOUNDS: Final = (
    ("minimum", "maximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
)
Lookup = Callable[[str], Json]


def check_keywords(part: dict[str, Json], at: Path, faults: Faults) -> None:
    """Keywords of one subschema that contradict each other, or cannot be read."""
    for low, high in _BOUNDS:
        if low in part and high in part and part[low] > part[high]:
            faults.at_value(
                (*at, low),
                "bad_schema",
                f"nothing satisfies it: {low} is {part[low]}, {high} is {part[high]}",
                "swap the two",
            )
    if part.get("enum") == []:
        faults.at_value((*at, "enum"), "bad_schema", "nothing satisfies an empty enum", "list the values")
    if "pattern" in part:
        try:
            re.compile(part["pattern"])
        except (re.error, OverflowError, RecursionError) as error:
            faults.at_value(
                (*at, "pattern"), "bad_schema", f"not a regular expression: {error}", "correct the pattern"
            )


def check_ends(parts: Iterable[tuple[Path, dict[str, Json]]], lookup: Lookup, faults: Faults) -> None:
    """Report the first subschema that no finite value satisfies: it needs itself, without end.

    `lookup` resolves a `$ref`. Grows the set of those that have a value until nothing is added.
    """
    waiting = list(parts)
    known = {id(part) for _, part in waiting}
    ending: set[int] = set()

    def ends(schema: Json) -> bool:
        return schema is not False and (id(schema) in ending or id(schema) not in known)

    grown = True
    while grown:
        found = {id(part) for _, part in waiting if _has_value(part, ends, lookup)}
        waiting = [(at, part) for at, part in waiting if id(part) not in found]
        ending |= found
        grown = bool(found)
    if waiting:
        faults.at_value(
            waiting[0][0],
            "bad_schema",
            "no value satisfies it: it contains itself, without end",
            "let the recursion stop: make the property optional, or allow null or an empty list",
        )


def _has_value(part: dict[str, Json], ends: Callable[[Json], bool], lookup: Lookup) -> bool:
    if "const" in part or "enum" in part:
        return True
    if "$ref" in part and not ends(lookup(part["$ref"])):
        return False
    if not all(ends(inner) for inner in part.get("allOf", ())):
        return False
    for choice in ("anyOf", "oneOf"):
        if choice in part and not any(ends(inner) for inner in part[choice]):
            return False
    kinds = part.get("type", "any")
    return any(_kind_ends(kind, part, ends) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _kind_ends(kind: str, part: dict[str, Json], ends: Callable[[Json], bool]) -> bool:
    if kind == "object":
        properties = part.get("properties", {})
        return all(ends(properties[name]) for name in part.get("required", ()) if name in properties)
    if kind == "array" and part.get("minItems", 0):
        first = part.get("prefixItems", ())[: part["minItems"]]
        rest = len(first) == part["minItems"] or ends(part.get("items", True))
        return rest and all(ends(item) for item in first)
    return True
