"""The order of stops within layers: barycentre sweeps, keeping the order with the fewest crossings."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Sequence

from haloctl.graph.layers import Layering, Stop

SWEEPS = 12
"""Passes over all layers, alternately from both ends; more rarely help."""

Links = Sequence[tuple[Stop, Stop]]


def order_layers(layering: Layering) -> tuple[tuple[Stop, ...], ...]:
    """The stops of each layer from first to last; the same layering gives the same order."""
    best = order = [list(layer) for layer in layering.layers]
    fewest = _crossings(order, layering.links)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        order = [list(layer) for layer in order]
        _sweep(order, layering.links, forward=sweep % 2 == 0)
        crossings = _crossings(order, layering.links)
        if crossings < fewest:
            best, fewest = order, crossings
    return tuple(map(tuple, best))


def _sweep(order: list[list[Stop]], links: Sequence[Links], *, forward: bool) -> None:
    if forward:
        for layer in range(1, len(order)):
            _sort(order[layer], order[layer - 1], [(target, source) for source, target in links[layer - 1]])
    else:
        for layer in reversed(range(len(order) - 1)):
            _sort(order[layer], order[layer + 1], links[layer])


def _sort(layer: list[Stop], fixed: Sequence[Stop], pairs: Links) -> None:
    """Sort by the mean position of what each stop is linked with; unlinked stops keep their place."""
    position = {stop: index for index, stop in enumerate(fixed)}
    linked: dict[Stop, list[int]] = {}
    for stop, other in pairs:
        linked.setdefault(stop, []).append(position[other])
    scale = len(fixed) / max(1, len(layer))
    centre = {
        stop: sum(at) / len(at) if (at := linked.get(stop)) else index * scale
        for index, stop in enumerate(layer)
    }
    layer.sort(key=centre.__getitem__)


def _crossings(order: Sequence[Sequence[Stop]], links: Sequence[Links]) -> int:
    total = 0
    for index, pairs in enumerate(links):
        left = {stop: position for position, stop in enumerate(order[index])}
        right = {stop: position for position, stop in enumerate(order[index + 1])}
        total += _inversions(end for _, end in sorted((left[a], right[b]) for a, b in pairs))
    return total


def _inversions(ends: Iterable[int]) -> int:
    seen: list[int] = []
    total = 0
    for end in ends:
        total += len(seen) - bisect(seen, end)
        insort(seen, end)
    return total
