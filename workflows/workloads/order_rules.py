"""The rule that reads order questions: parameters of TPC-H's statements, found by name in the text."""

from __future__ import annotations

import re

YEARS = (1992, 1993, 1994, 1995, 1996, 1997, 1998)
SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")
BRANDS = tuple(f"Brand#{maker}{number}" for maker in range(1, 6) for number in range(1, 6))
SHIP_MODES = ("REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB")
"""REG AIR stands before AIR: the first one found counts."""


def parameters(question: str) -> dict[str, str | int]:
    """The year, segment, brand and ship mode `question` names; of what it does not name, the first."""
    return {
        "year": int(_named(question, tuple(map(str, YEARS)))),
        "segment": _named(question, SEGMENTS),
        "brand": _named(question, BRANDS),
        "ship_mode": _named(question, SHIP_MODES),
    }


def _named(question: str, names: tuple[str, ...]) -> str:
    for name in names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE):
            return name
    return names[0]
