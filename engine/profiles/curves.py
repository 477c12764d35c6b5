"""Values of piecewise-linear curves, and curves scaled by a correction."""

from __future__ import annotations

from engine.ir.cost import Curve

Points = tuple[tuple[float, float], ...]


def value_at(points: Points, x: float) -> float:
    """Linear between points; before the first its value, after the last along the last slope. 0 if empty."""
    if not points:
        return 0.0
    if x <= points[0][0] or len(points) == 1:
        return points[0][1]
    right = next((i for i, (at, _) in enumerate(points) if at >= x), len(points) - 1)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def monotone(points: Points) -> Points:
    """No value below one before it: more work never takes less time, a noisy measurement may say so."""
    highest = 0.0
    result = []
    for x, y in sorted(points):
        highest = max(highest, y)
        result.append((x, highest))
    return tuple(result)


def scaled_curve(points: Points, factor: float) -> Curve:
    """A planner's curve of measured points and their correction."""
    return Curve(points=tuple((x, y * factor) for x, y in monotone(points)))
