"""The loss curve as JSON and as an SVG picture, written without a plotting library."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from workflows.mini.training.trainer import Point

Placing = Callable[[float, float], tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 360, 60, 40, 20


def write_curve(points: list[Point], path: Path) -> None:
    """Write `path` (SVG) and the numbers beside it (JSON). Nothing is written of an empty curve."""
    if not points:
        return
    path.with_suffix(".json").write_text(
        json.dumps([asdict(point) for point in points], indent=1) + "\n", encoding="utf-8"
    )
    path.write_text(picture(points), encoding="utf-8")


def picture(points: list[Point]) -> str:
    """Loss over tokens, the loss on a logarithmic axis."""
    losses = [max(point.loss, 1e-4) for point in points]
    low, high = math.floor(math.log10(min(losses)) * 2) / 2, math.ceil(math.log10(max(losses)) * 2) / 2
    high = max(high, low + 0.5)
    most = points[-1].tokens

    def place(tokens: float, loss: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - 20) * tokens / most
        down = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - math.log10(loss)) / (high - low)
        return round(across, 1), round(down, 1)

    line = " ".join(
        "{},{}".format(*place(point.tokens, loss)) for point, loss in zip(points, losses, strict=True)
    )
    marks = [_mark_loss(10 ** (low + half / 2), place) for half in range(round((high - low) * 2) + 1)]
    marks += [_mark_tokens(most * share / 4, place, 10**low) for share in range(5)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n'
        + "\n".join(marks)
        + f'\n<polyline fill="none" stroke="#1f6feb" stroke-width="1.5" points="{line}"/>\n'
        f'<text x="{_WIDTH / 2:g}" y="{_HEIGHT - 6}" text-anchor="middle">tokens (million)</text>\n'
        f'<text x="{_LEFT}" y="14">loss per answer token</text>\n</svg>\n'
    )


def _mark_loss(loss: float, place: Placing) -> str:
    across, down = place(0, loss)
    return (
        f'<line x1="{across}" x2="{_WIDTH - 20}" y1="{down}" y2="{down}" stroke="#ddd"/>'
        f'<text x="{across - 6}" y="{down + 4}" text-anchor="end">{loss:.2g}</text>'
    )


def _mark_tokens(tokens: float, place: Placing, lowest: float) -> str:
    across, down = place(tokens, lowest)
    return f'<text x="{across}" y="{down + 16}" text-anchor="middle">{tokens / 1e6:.3g}</text>'
