"""Round numbers for axes: where ticks go, and how times and quantities are written in few cells."""

from __future__ import annotations

import math
from typing import Final

from engine.ir.ids import Record

_TIME_STEPS: Final = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
)
_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_WRITTEN_OUT: Final = 9999
"""Up to here counts are written digit by digit."""


class Tick(Record, frozen=True, kw_only=True):
    """A label on a time axis, and the moment it stands for."""

    at_s: float
    label: str


def time_step(least_s: float) -> float:
    """The smallest round time step of at least `least_s` seconds: 1, 2, 5 … ms, then clock-like steps."""
    for step in _TIME_STEPS:
        if step >= least_s >= 0.5:
            return float(step)
    if least_s < 1:
        return round_up(least_s)
    return math.ceil(least_s / 86400) * 86400.0


def round_up(value: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `value`; 1 for what is not positive."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = math.floor(math.log10(value))
    for digit in (1, 2, 5, 10):
        step = digit * 10.0**power
        if step >= value * (1 - 1e-9):
            return step
    return 10.0 ** (power + 1)


def time_ticks(start_s: float, end_s: float, cells: int, least_cells: int = 10) -> tuple[Tick, ...]:
    """Labelled moments between two others, at least `least_cells` of the `cells` apart."""
    if cells <= 0 or end_s <= start_s:
        return ()
    step = time_step((end_s - start_s) * least_cells / cells)
    first, last = math.ceil(start_s / step - 1e-9), math.floor(end_s / step + 1e-9)
    return tuple(Tick(at_s=i * step, label=duration(i * step, step)) for i in range(first, last + 1))


def duration(seconds: float, step_s: float = 0.0) -> str:
    """A time as the interface writes it everywhere: `250ms`, `12.5s`, `3m20s`, `2h05m`.

    `step_s` is how fine it must be; 0 stands for three digits, 1 for a clock: `9s`, `1m05s`, `2h10m33s`.
    """
    if seconds < 0:
        return "-" + duration(-seconds, step_s)
    if seconds == 0:
        return "0s"
    if not step_s:
        step_s = 10.0 ** (math.floor(math.log10(seconds)) - 2) if seconds < 60 else 1.0
        step_s = 60.0 if seconds >= 3600 else step_s
    places = max(0, -math.floor(math.log10(step_s) + 1e-9))
    seconds = round(seconds, places)
    if seconds < 1:
        return "0s" if not seconds else f"{seconds * 1000:.{max(0, places - 3)}f}ms"
    if seconds < 60:
        return f"{seconds:.{places}f}".removesuffix(".00") + "s"
    return _in_minutes(seconds, step_s, places)


def _in_minutes(seconds: float, step_s: float, places: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h{minutes:02}m" if hours else f"{minutes}m"
    if step_s < 60:
        text += f"{rest:0{places + 3 if places else 2}.{places}f}s"
    return text


def quantity(value: float) -> str:
    """A number in at most five cells or so: `0`, `0.25`, `87`, `1.2k`, `34M`."""
    if not math.isfinite(value):
        return "–"
    if value < 0:
        return "-" + quantity(-value)
    for size, prefix in _PREFIXES:
        if value >= size * 0.9995:
            scaled = value / size
            return f"{scaled:.1f}".removesuffix(".0") + prefix if scaled < 99.95 else f"{scaled:.0f}{prefix}"
    if value >= 99.95 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def counted(number: int) -> str:
    """How many there are of something, where one more is seen as long as they are few: `9,120`, `12.3k`."""
    return f"{number:,}" if number <= _WRITTEN_OUT else quantity(number)
