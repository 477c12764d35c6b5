"""How many different calls an operator makes: seen in one run, to be expected of a larger one.

Calls that are equal although nothing said so while planning (two questions that name the same year, say)
are drawn from some number of different ones, the *domain*. What a run showed is turned into that number as if
draws were even; of skewed draws a longer table holds some more.
"""

from __future__ import annotations

from engine.ir.cost import expected_distinct

LEAST_DRAWN = 8
"""Fewer calls say nothing of their domain."""

ENDLESS = 1e6
"""The domain of calls of which none repeated."""


def domain_of(drawn: int, distinct: int) -> float | None:
    """The domain that makes `distinct` different values among `drawn` likely; None for too few of them."""
    if drawn < LEAST_DRAWN:
        return None
    if distinct >= drawn:
        return ENDLESS
    low, high = float(max(1, distinct)), ENDLESS
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_distinct(middle, drawn) < distinct else (low, middle)
    return low
