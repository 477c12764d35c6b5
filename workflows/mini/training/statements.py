"""What a brief says of a table: sentences made from its rows, so that every figure in them is the row's."""

from __future__ import annotations

from typing import Literal

from engine.ir.ids import Json
from workflows.mini.training.tables import Result, cell

Style = Literal["leader", "two", "ends"]
STYLES: tuple[Style, ...] = ("leader", "two", "ends")


def said(result: Result, row: tuple[Json, ...]) -> str:
    """A row's figures in words, unknown ones left out: "revenue of 812 and 31 orders"."""
    parts = [
        measure.said.format(cell(value))
        for measure, value in zip(result.kind.measures, row[1:], strict=True)
        if value is not None
    ]
    return " and ".join(parts) or "no figures"


def brief_text(result: Result, style: Style) -> str:
    """The sentences of a brief in the style asked for."""
    rows = result.rows
    if not rows:
        return "There are no figures."
    first, last = (rows[0], rows[-1]) if result.kind.ranked else (rows[-1], rows[0])
    lead = _lead(result, first)
    if style == "leader" or len(rows) == 1:
        return lead
    if style == "ends":
        return f"{lead} {_end(result, last)}"
    second = rows[1] if result.kind.ranked else rows[-2]
    return f"{lead} {_second(result, second)}"


def row_text(result: Result, row: tuple[Json, ...]) -> str:
    """One sentence on one row."""
    if result.kind.ranked:
        return f"{row[0]} has {said(result, row)}."
    return f"In {row[0]}: {said(result, row)}."


def _lead(result: Result, row: tuple[Json, ...]) -> str:
    if result.kind.ranked:
        return f"{row[0]} leads with {said(result, row)}."
    return f"The latest year, {row[0]}, shows {said(result, row)}."


def _second(result: Result, row: tuple[Json, ...]) -> str:
    if result.kind.ranked:
        return f"{row[0]} follows with {said(result, row)}."
    return f"The year before, {row[0]}, had {said(result, row)}."


def _end(result: Result, row: tuple[Json, ...]) -> str:
    if result.kind.ranked:
        return f"{row[0]} is last with {said(result, row)}."
    return f"The first year, {row[0]}, had {said(result, row)}."
