"""The live state's last minutes as charts take them: a value a second."""

from __future__ import annotations

from collections.abc import Sequence

from engine.live import totals as live
from haloctl.tui.plots import Series

_SMOOTH_S = 3
"""Seconds a speed is averaged over: work ends in bursts."""


def speed(series: live.Series) -> Series:
    """Tokens decoded a second."""
    return Series(values=_averaged(_ended(series.decoded)), unit="/s", start_s=series.from_s)


def reuse(series: live.Series) -> Series:
    """The share of prompt tokens that came from shared prefixes, where there were any."""
    shares: list[float] = []
    for computed, reused in zip(_ended(series.computed), _ended(series.reused), strict=True):
        total = computed + reused
        shares.append(reused / total if total else (shares[-1] if shares else 0.0))
    return Series(values=tuple(shares), unit="%", top=1.0, start_s=series.from_s)


def queued(series: live.Series) -> Series:
    """Nodes that were ready and not dispatched."""
    return Series(values=tuple(map(float, _ended(series.queued))), start_s=series.from_s)


def _ended(values: Sequence[int]) -> Sequence[int]:
    """Without the second that is still going on, unless it is all there is."""
    return values[:-1] if len(values) > 1 else values


def _averaged(values: Sequence[int]) -> tuple[float, ...]:
    return tuple(
        sum(values[max(0, at - _SMOOTH_S + 1) : at + 1]) / min(at + 1, _SMOOTH_S) for at in range(len(values))
    )
