"""Values to be read: text as it is, data as JSON that is broken only where a line would be too long."""

from __future__ import annotations

import json
from collections.abc import Iterator

from engine.ir.ids import Json

_DEEPER = "  "


def text_of(value: Json, width: int) -> str:
    """A value in lines of about `width` characters. Text of several lines stays that, inside of data too."""
    return value if isinstance(value, str) else "\n".join(_lines(value, "", max(1, width)))


def _lines(value: Json, indent: str, width: int, before: str = "", after: str = "") -> Iterator[str]:
    """The lines of a value; `before` stands in front of the first one, `after` behind the last."""
    flat = json.dumps(value, ensure_ascii=False)
    several = isinstance(value, str) and "\n" in value
    if several and before:
        yield indent + before.rstrip()
        yield from (indent + _DEEPER + row for row in value.strip("\n").split("\n"))
    elif not isinstance(value, dict | list) or (_is_flat(value) and len(indent + before + flat) <= width):
        yield indent + before + flat + after
    else:
        members = tuple(value.items()) if isinstance(value, dict) else tuple(("", each) for each in value)
        yield indent + before + ("{" if isinstance(value, dict) else "[")
        for number, (name, member) in enumerate(members, 1):
            front = json.dumps(name, ensure_ascii=False) + ": " if isinstance(value, dict) else ""
            yield from _lines(member, indent + _DEEPER, width, front, "," if number < len(members) else "")
        yield indent + ("}" if isinstance(value, dict) else "]") + after


def _is_flat(value: dict[str, Json] | list[Json]) -> bool:
    """Whether nothing in it takes several lines by itself."""
    members = value.values() if isinstance(value, dict) else value
    return all(
        _is_flat(member)
        if isinstance(member, dict | list)
        else not (isinstance(member, str) and "\n" in member)
        for member in members
    )
