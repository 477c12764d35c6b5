"""Where a setting stands in a TOML text, for error messages: a search, since tomllib keeps no positions."""

from __future__ import annotations

import re


def line_of(text: str, path: tuple[str, ...]) -> int:
    """1-based line of the key or table header at `path`; of the nearest enclosing one if it is inline."""
    for length in range(len(path), 0, -1):
        found = _search(text, path[:length])
        if found is not None:
            return found
    return 1


def _search(text: str, path: tuple[str, ...]) -> int | None:
    """Line of the header `[a.b]`, or of `b = …` below `[a]`, or of `a.b = …` at the top."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]#]+?)\s*\]", line)
        if header:
            table = _keys(header[1])
            if table[: len(path)] == path:
                return number
            continue
        assignment = re.match(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=", line)
        if assignment and (*table, *_keys(assignment[1]))[: len(path)] == path:
            return number
    return None


def _keys(dotted: str) -> tuple[str, ...]:
    """Parts of a dotted key, quotes removed."""
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([^.\s\"']+)", dotted)
    return tuple(next(part for part in parts_of if part) for parts_of in parts if any(parts_of))
