"""Rows as they come out of a table, before anyone asks whether they fit a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from engine.ir.ids import Json

MAX_ROW_CHARACTERS = 16 << 20
"""A longer row is a broken row; it is skipped without being held in memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `values` is None when it could not be read, and `fault` says why.

    `place` is where it stands, for messages: "line 17", "row 4".
    """

    place: str
    values: dict[str, Json] | None
    fault: str = ""


class Table(Protocol):
    """An opened table, read once from front to back.

    `columns` are known beforehand unless every row names its own (JSONL): then None. `textual` tables
    hold only text, which is parsed by the type of the input it feeds.
    """

    @property
    def name(self) -> str:
        """What to call the table in messages."""
        ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Column names in order; a name that occurs twice stands twice."""
        ...

    @property
    def textual(self) -> bool:
        """Whether cells are texts to be parsed."""
        ...

    def rows(self) -> Iterator[Row]:
        """Every row once, lazily. A broken row is yielded as such; reading goes on behind it."""
        ...

    def close(self) -> None:
        """Release the file or connection; idempotent."""
        ...
