"""What the figures of a GPU check should reach. A goal that is missed is said; it is no failure of a step."""

from __future__ import annotations

GOALS: dict[str, tuple[float, bool]] = {
    "times_one_at_a_time": (4.0, True),
    "share_of_peak_decode": (0.8, True),
    "bytes_not_given_back": (64 << 20, False),
}
"""Figure → its goal, and whether more is better."""


def verdict(name: str, value: object) -> str:
    """How a figure stands to its goal; empty for one without."""
    if name not in GOALS or isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    goal, more = GOALS[name]
    met = value >= goal if more else value <= goal
    return f" (goal {'at least' if more else 'at most'} {goal:,g}: {'met' if met else 'MISSED'})"
