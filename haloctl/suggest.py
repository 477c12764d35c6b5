"""Did-you-mean for names a user typed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, known: Iterable[str]) -> str:
    """A fix as a sentence: the nearest known name, or all of them when none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known names: {', '.join(names)}" if names else "none is configured"
