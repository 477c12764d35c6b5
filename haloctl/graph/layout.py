"""A layered layout in character cells: where each node's label stands, and the cells of each edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from engine.ir.ids import Record
from haloctl.graph.layers import Layering, Stop, make_layers
from haloctl.graph.model import Graph
from haloctl.graph.ordering import order_layers
from haloctl.graph.placing import place_stops
from haloctl.graph.routing import Channel, route_channel
from haloctl.graph.strokes import DOWN, LEFT, RIGHT, UP, transposed

Direction = Literal["right", "down", "tree"]
Point = tuple[int, int]

STUB = 1
"""Cells between a label and the first track, where labels stand beside tracks and not above them."""


class Box(Record, frozen=True, kw_only=True):
    """A label's place: `width` cells of row `y` from column `x` on."""

    x: int
    y: int
    width: int


class Stroke(Record, frozen=True, kw_only=True):
    """A cell that an edge passes: the sides it enters and leaves by (`haloctl.graph.strokes`)."""

    x: int
    y: int
    arms: int


class Layout(Record, frozen=True, kw_only=True):
    """`boxes` are aligned with the graph's nodes, `paths` with its edges.

    A path leads from the cell beside its source's label to the cell beside its target's. A tree shows
    only some edges as lines; the others have empty paths.
    """

    direction: Direction
    width: int
    height: int
    boxes: tuple[Box, ...]
    paths: tuple[tuple[Stroke, ...], ...]
    layer_of: tuple[int, ...]
    """The layer of each node; in a tree, its depth."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Stops and lines *across* the graph's direction; nothing here knows how long labels are along it."""

    layering: Layering
    across: Mapping[Stop, int]
    channels: tuple[Channel, ...]
    senders: tuple[tuple[int, ...], ...]
    """The nodes whose lines cross each channel, in the channel's order."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Lines, and where everything stands *along* the graph's direction."""

    lines: _Lines
    starts: tuple[int, ...]
    """Where each layer begins."""
    depth: tuple[int, ...]
    """How long each layer's labels are."""
    stub: int


def lay_out(
    graph: Graph, widths: Sequence[int], *, direction: Literal["right", "down"] = "right", gap: int = 0
) -> Layout:
    """Place labels of `widths` cells and route the edges between them.

    `gap` is the number of free cells between labels of a layer. Deterministic. Widths must be positive.
    """
    right = direction == "right"
    sizes = (1,) * len(graph.nodes) if right else tuple(widths)
    frame = _frame(_lines(graph, sizes, gap), widths, right=right)
    layering, across = frame.lines.layering, frame.lines.across
    boxes = tuple(
        Box(x=frame.starts[layer], y=across[node, layer], width=frame.depth[layer])
        if right
        else Box(x=across[node, layer] - widths[node] // 2, y=frame.starts[layer], width=widths[node])
        for node, layer in enumerate(layering.layer_of)
    )
    paths = tuple(tuple(_strokes(_corners(frame, *edge), right=right)) for edge in graph.edges)
    cells = [(s.x, s.y) for path in paths for s in path]
    ends = [(box.x + box.width - 1, box.y) for box in boxes]
    return Layout(
        direction=direction,
        width=max((x for x, _ in (*cells, *ends)), default=-1) + 1,
        height=max((y for _, y in (*cells, *ends)), default=-1) + 1,
        boxes=boxes,
        paths=paths,
        layer_of=layering.layer_of,
    )


def least_size(
    graph: Graph, widths: Sequence[int], *, direction: Literal["right", "down"] = "right", gap: int = 0
) -> tuple[int, int]:
    """Columns and rows that every drawing with these labels takes at least, found without drawing one."""
    layering = _layering(graph)
    if not layering.layers:
        return 0, 0
    if direction == "right":
        columns = sum(_longest_labels(layering, widths)) + 2 * STUB * len(layering.links)
        return columns, max(len(stops) + gap * (len(stops) - 1) for stops in layering.layers)
    totals = [-gap] * len(layering.layers)
    for layer, stops in enumerate(layering.layers):
        totals[layer] += sum(gap + (widths[n] if layering.layer_of[n] == layer else 1) for n, _ in stops)
    return max(totals), 2 * len(layering.layers) - 1


_layering = lru_cache(maxsize=8)(make_layers)


@lru_cache(maxsize=8)
def _lines(graph: Graph, sizes: tuple[int, ...], gap: int) -> _Lines:
    """Kept for the graphs on the screen: to the right, labels of other lengths change nothing here."""
    layering = _layering(graph)
    order = order_layers(layering)
    across = place_stops(layering, order, sizes, gap)
    channels: list[Channel] = []
    senders: list[tuple[int, ...]] = []
    for layer, links in enumerate(layering.links):
        ends: dict[Stop, list[int]] = {}
        for source, target in links:
            ends.setdefault(source, []).append(across[target])
        sending = [stop for stop in order[layer] if stop in ends]
        channels.append(route_channel([across[stop] for stop in sending], [ends[stop] for stop in sending]))
        senders.append(tuple(node for node, _ in sending))
    return _Lines(layering, across, tuple(channels), tuple(senders))


def _frame(lines: _Lines, widths: Sequence[int], *, right: bool) -> _Frame:
    stub = STUB if right else 0
    depth = _longest_labels(lines.layering, widths) if right else (1,) * len(lines.layering.layers)
    starts = [0]
    for size, channel in zip(depth, lines.channels, strict=False):
        starts.append(starts[-1] + size + max(1, channel.width + 2 * stub))
    return _Frame(lines, tuple(starts), depth, stub)


def _longest_labels(layering: Layering, widths: Sequence[int]) -> tuple[int, ...]:
    """Labels of a layer are made as wide as the widest, so that progress can be compared."""
    longest = [0] * len(layering.layers)
    for node, layer in enumerate(layering.layer_of):
        longest[layer] = max(longest[layer], widths[node])
    return tuple(longest)


def _corners(frame: _Frame, source: int, target: int) -> Iterator[Point]:
    """Corners of an edge as (along, across), with both ends."""
    lines = frame.lines
    first, last = lines.layering.layer_of[source], lines.layering.layer_of[target]
    yield frame.starts[first] + frame.depth[first], lines.across[source, first]
    for layer in range(first, last):
        here = lines.across[source, layer]
        there = lines.across[(target if layer + 1 == last else source), layer + 1]
        base = frame.starts[layer] + frame.depth[layer] + frame.stub
        for track, turned in lines.channels[layer].turns[lines.senders[layer].index(source)]:
            yield base + track, here
            here = there if turned is None else turned
            yield base + track, here
    yield frame.starts[last] - 1, lines.across[target, last]


def _strokes(corners: Iterator[Point], *, right: bool) -> Iterator[Stroke]:
    """The cells along the corners; arms lead to the neighbours, at the ends to the labels."""
    cells = list(_cells(corners))
    cells = [(cells[0][0] - 1, cells[0][1]), *cells, (cells[-1][0] + 1, cells[-1][1])]
    for before, here, after in zip(cells, cells[1:], cells[2:], strict=False):
        arms = _arm(here, before) | _arm(here, after)
        x, y = here if right else (here[1], here[0])
        yield Stroke(x=x, y=y, arms=arms if right else transposed(arms))


def _cells(corners: Iterable[Point]) -> Iterator[Point]:
    last: Point | None = None
    for start, end in pairwise(corners):
        step = (_sign(end[0] - start[0]), _sign(end[1] - start[1]))
        cell = start
        while True:
            if cell != last:
                yield cell
            last = cell
            if cell == end:
                break
            cell = (cell[0] + step[0], cell[1] + step[1])


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _arm(here: Point, there: Point) -> int:
    if there[0] != here[0]:
        return RIGHT if there[0] > here[0] else LEFT
    return DOWN if there[1] > here[1] else UP
