"""Grouped bars as SVG text, readable on light and on dark pages, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Paul Tol's bright scheme: told apart with any colour vision."""

_WIDTH, _HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 40, 28
_GREY = "#808080"


def bars(
    title: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    lines: Sequence[float] = (),
) -> str:
    """An SVG document: for each group one bar of every series; `lines` are drawn across at those values.

    Series have a value for each group; None leaves a gap.
    """
    values = [value for row in series.values() for value in row if value is not None]
    top = _ceiling(max([*values, *lines], default=1.0))
    parts = [_text(_LEFT, 16, title, anchor="start", size=13), *_scale(top)]
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(groups))
    width = step * 0.82 / max(1, len(series))
    for number, (name, row) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts += _legend(number, len(series), name, colour)
        for place, value in enumerate(row):
            if value is not None:
                x = _LEFT + place * step + step * 0.09 + number * width
                parts.append(_bar(x, width, value, top, colour, f"{groups[place]}, {name}: {value:.2f}"))
    for place, group in enumerate(groups):
        parts.append(_text(_LEFT + (place + 0.5) * step, _HEIGHT - 10, group))
    for line in lines:
        y = _y(line, top)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GREY}" stroke-dasharray="5 3"/>'
        )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _ceiling(value: float) -> float:
    """The next round number."""
    unit = next(
        unit for power in range(-3, 9) for unit in (10.0**power, 2 * 10.0**power) if value <= 5 * unit
    )
    return unit * -(-value // unit)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top


def _scale(top: float) -> list[str]:
    parts = []
    for tick in range(6):
        value = top * tick / 5
        y = _y(value, top)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GREY}" stroke-opacity="0.25"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", anchor="end"))
    return parts


def _bar(x: float, width: float, value: float, top: float, colour: str, title: str) -> str:
    y = _y(value, top)
    height = _HEIGHT - _BOTTOM - y
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"'
    return f"<rect {shape}><title>{escape(title)}</title></rect>"


def _legend(number: int, count: int, name: str, colour: str) -> list[str]:
    x = _LEFT + number * (_WIDTH - _LEFT - _RIGHT) / count
    square = f'<rect x="{x:.1f}" y="24" width="9" height="9" fill="{colour}"/>'
    return [square, _text(x + 13, 32, name, anchor="start")]


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 11) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{_GREY}"'
    return f"<text {place}>{escape(text)}</text>"
