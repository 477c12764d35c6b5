"""Collects every fault of a file before any is raised, and finds the name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from engine.errors import Location, SpecError, SpecErrors
from engine.parser.source_map import Path, SourceMap

SHOWN_NAMES = 12


class Faults:
    """Faults found so far in one file."""

    def __init__(self, places: SourceMap) -> None:
        self.places = places
        self._found: list[SpecError] = []

    def at_key(self, path: Path, code: str, message: str, fix: str) -> None:
        """A fault of the field as such: unknown, missing below it, clashing."""
        self._add(self.places.key(path), code, message, fix)

    def at_value(self, path: Path, code: str, message: str, fix: str, *, line: int = 1) -> None:
        """A fault of what the field holds, on `line` of it."""
        self._add(self.places.value(path, line=line), code, message, fix)

    def _add(self, at: Location, code: str, message: str, fix: str) -> None:
        self._found.append(SpecError(message, at=at, fix=fix, code=code))

    def raise_all(self) -> None:
        """Raises SpecErrors, in file order, if anything was found."""
        if self._found:
            unique = {(error.at, error.message): error for error in self._found}
            ordered = sorted(unique.values(), key=lambda error: (error.at.line, error.at.column))
            raise SpecErrors(tuple(ordered))

    def __bool__(self) -> bool:
        return bool(self._found)


def suggest(name: str, known: Iterable[str], *, what: str) -> str:
    """Fix in words: the close name if there is one, else what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return f"there are no {what} here"
    shown = ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
    return f"{what}: {shown}"
