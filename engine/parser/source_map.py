"""Where every field of a workflow file stands, so that each fault can point at its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from engine.errors import Location

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a field."""


@dataclass(frozen=True)
class Place:
    """1-based position of a key and of its value; `block` is set for `|` and `>` texts."""

    key_line: int
    key_column: int
    line: int
    column: int
    block: bool = False


class SourceMap:
    """Places of all fields of one file. Unknown paths fall back to the nearest field that exists."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._places: dict[Path, Place] = {}

    def add(self, path: Path, place: Place) -> None:
        self._places[path] = place

    def key(self, path: Path) -> Location:
        """Where the field's name stands."""
        place = self._nearest(path)
        return Location(self.file, place.key_line, place.key_column, show_path(path))

    def value(self, path: Path, *, line: int = 1) -> Location:
        """Where the field's value stands; `line` counts lines within a text, from 1."""
        place = self._nearest(path)
        if place.block:  # the text of a block begins on the line below its mark
            return Location(self.file, place.line + line, 1, show_path(path))
        if line > 1:
            return Location(self.file, place.line + line - 1, 1, show_path(path))
        return Location(self.file, place.line, place.column, show_path(path))

    def _nearest(self, path: Path) -> Place:
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, Place(1, 1, 1, 1))


def show_path(path: Path) -> str:
    """`operators.extract.stop[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
