"""Positions of stops across the layers: near the median of what they are linked with, in order, apart.

*Across* is the axis along which the stops of a layer stand: rows when the graph runs to the right,
columns when it runs down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from haloctl.graph.layers import Layering, Stop

SWEEPS = 8
TRUNK_WEIGHT = 4
"""How much more a trunk's straightness counts than a node's place."""


def place_stops(
    layering: Layering, order: Sequence[Sequence[Stop]], sizes: Sequence[int], gap: int
) -> dict[Stop, int]:
    """The cell of each stop at which its edges begin and end: the middle of a node of `sizes[node]` cells.

    `gap` cells are left free between neighbours. No position is negative, and no layer is pushed
    beyond the length of the longest.
    """
    offsets = [_offsets(layering, layer, sizes, gap) for layer in order]
    room = max(
        (ends[-1] + _after(layering, layer[-1], sizes) for layer, ends in zip(order, offsets, strict=True)),
        default=0,
    )
    at = {
        stop: cell
        for layer, ends in zip(order, offsets, strict=True)
        for stop, cell in zip(layer, ends, strict=True)
    }
    back, ahead = _linked(layering)
    for sweep in range(SWEEPS):
        last = sweep >= SWEEPS - 2
        indices = range(len(order)) if sweep % 2 == 0 else reversed(range(len(order)))
        for index in indices:
            layer = order[index]
            sides = (back, ahead) if last else (back,) if sweep % 2 == 0 else (ahead,)
            slack = room - offsets[index][-1] - _after(layering, layer[-1], sizes)
            _settle(layer, offsets[index], slack, _wishes(layer, at, sides), at, layering)
    lowest = min((at[stop] - _before(layering, stop, sizes) for stop in at), default=0)
    return {stop: cell - lowest for stop, cell in at.items()}


def _size(layering: Layering, stop: Stop, sizes: Sequence[int]) -> int:
    node, layer = stop
    return sizes[node] if layering.layer_of[node] == layer else 1


def _before(layering: Layering, stop: Stop, sizes: Sequence[int]) -> int:
    return _size(layering, stop, sizes) // 2


def _after(layering: Layering, stop: Stop, sizes: Sequence[int]) -> int:
    size = _size(layering, stop, sizes)
    return size - size // 2 - 1


def _offsets(layering: Layering, layer: Sequence[Stop], sizes: Sequence[int], gap: int) -> list[int]:
    """Positions of a layer whose stops stand as close as they may."""
    offsets: list[int] = []
    edge = -gap
    for stop in layer:
        offsets.append(edge + gap + _before(layering, stop, sizes))
        edge = offsets[-1] + _after(layering, stop, sizes) + 1
    return offsets


def _linked(layering: Layering) -> tuple[dict[Stop, list[Stop]], dict[Stop, list[Stop]]]:
    back: dict[Stop, list[Stop]] = {}
    ahead: dict[Stop, list[Stop]] = {}
    for pairs in layering.links:
        for source, target in pairs:
            ahead.setdefault(source, []).append(target)
            back.setdefault(target, []).append(source)
    return back, ahead


def _wishes(
    layer: Sequence[Stop], at: Mapping[Stop, int], sides: Sequence[Mapping[Stop, list[Stop]]]
) -> list[float]:
    wishes: list[float] = []
    for stop in layer:
        linked = (other for side in sides for other in side.get(stop, ()))
        cells = [at[o] for o in linked for _ in range(TRUNK_WEIGHT if o[0] == stop[0] else 1)]
        wishes.append(median(cells) if cells else at[stop])
    return wishes


def _settle(
    layer: Sequence[Stop],
    offsets: Sequence[int],
    slack: int,
    wishes: Sequence[float],
    at: dict[Stop, int],
    layering: Layering,
) -> None:
    """The least squares of the wishes under order and distance: pool neighbours that want to overlap."""
    pools: list[tuple[float, int, int]] = []  # mean wish less offset, weight, stops
    for stop, offset, wish in zip(layer, offsets, wishes, strict=True):
        weight = 1 if layering.layer_of[stop[0]] == stop[1] else TRUNK_WEIGHT
        pool = (wish - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, count = pools.pop()
            total = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    shifts = [min(max(0, round(mean)), slack) for mean, _, count in pools for _ in range(count)]
    for stop, offset, shift in zip(layer, offsets, shifts, strict=True):
        at[stop] = offset + shift
