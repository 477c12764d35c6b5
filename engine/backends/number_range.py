"""Grammar rules for numbers between bounds, digit by digit."""

from __future__ import annotations

from math import ceil, floor

_MOST_DIGITS = 15
"""Longest whole number: what a double holds exactly."""


def integer_rule(low: float | None, high: float | None) -> str | None:
    """GBNF alternatives for the integers low … high (inclusive, None = open); None when there are none."""
    top = 10**_MOST_DIGITS - 1
    first = -top if low is None else max(-top, ceil(low))
    last = top if high is None else min(top, floor(high))
    if first > last:
        return None
    alternatives: list[str] = []
    if first < 0:
        below = _span(max(1, -last), -first)
        alternatives.append(f'"-" ({" | ".join(below)})')
    if last >= 0:
        alternatives += _span(max(0, first), last)
    return f"({' | '.join(alternatives)})"


def number_rule(low: float | None, high: float | None) -> str | None:
    """GBNF for decimals between whole bounds low ≥ 0 and high; None when it cannot be said so simply."""
    if low is None or low < 0 or low != floor(low):
        return None
    fraction = '("." [0-9]{1,15})?'
    if high is None:
        return f"({integer_rule(low, None)} {fraction})"
    if high != floor(high):
        return None
    below = integer_rule(low, high - 1)
    whole = f'"{int(high)}" ("." "0")?'
    return f"({whole})" if below is None else f"({below} {fraction} | {whole})"


def _span(low: int, high: int) -> list[str]:
    """Alternatives for low … high, both ≥ 0, without leading zeros."""
    found: list[str] = []
    for digits in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (digits - 1) if digits > 1 else 0)
        last = min(high, 10**digits - 1)
        found += _same_length(str(first), str(last))
    return found


def _same_length(low: str, high: str) -> list[str]:
    """Alternatives for numbers of one length between two such numbers."""
    if not low:
        return [""]
    if low == "0" * len(low) and high == "9" * len(high):
        return [_any_digits(len(low))]
    if low[0] == high[0]:
        return [f'"{low[0]}" {rest}'.strip() for rest in _same_length(low[1:], high[1:])]
    tail = len(low) - 1
    found = [f'"{low[0]}" {rest}'.strip() for rest in _same_length(low[1:], "9" * tail)]
    if int(high[0]) - int(low[0]) > 1:
        found.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}] {_any_digits(tail)}".strip())
    return found + [f'"{high[0]}" {rest}'.strip() for rest in _same_length("0" * tail, high[1:])]


def _any_digits(count: int) -> str:
    return "" if not count else "[0-9]" if count == 1 else f"[0-9]{{{count}}}"
