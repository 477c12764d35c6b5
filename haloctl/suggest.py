"""Did-you-mean for names a user typed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 12


def closest(name: str, known: Iterable[str]) -> str:
    """A fix as a sentence: the nearest known name, or those there are (the last ones) when none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    if not names:
        return "none is configured"
    more = "…, " if len(names) > _SHOWN else ""
    return f"known names: {more}{', '.join(names[-_SHOWN:])}"
