"""A layered layout in character cells: where each node's label stands, and the cells of each edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
class _Frame:
    """Everything that is placed, with *along* the graph's direction and *across* it."""

    layering: Layering
    across: Mapping[Stop, int]
    channels: tuple[Channel, ...]
    senders: tuple[tuple[int, ...], ...]
    """The nodes whose lines cross each channel, in the channel's order."""
    starts: tuple[int, ...]
    """Where each layer begins along."""
    depth: tuple[int, ...]
    """How long each layer's labels are along."""
    stub: int


def lay_out(
    graph: Graph, widths: Sequence[int], *, direction: Literal["right", "down"] = "right", gap: int = 0
) -> Layout:
    """Place labels of `widths` cells and route the edges between them.

    `gap` is the number of free cells between labels of a layer. Deterministic. Widths must be positive.
    """
    right = direction == "right"
    frame = _frame(graph, widths, right=right, gap=gap)
    layering, across = frame.layering, frame.across
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


def _frame(graph: Graph, widths: Sequence[int], *, right: bool, gap: int) -> _Frame:
    layering = make_layers(graph)
    order = order_layers(layering)
    across = place_stops(layering, order, [1] * len(widths) if right else widths, gap)
    depth = _longest_labels(layering, widths) if right else (1,) * len(order)
    stub = STUB if right else 0
    channels: list[Channel] = []
    senders: list[tuple[int, ...]] = []
    starts = [0]
    for layer, links in enumerate(layering.links):
        ends: dict[Stop, list[int]] = {}
        for source, target in links:
            ends.setdefault(source, []).append(across[target])
        sending = [stop for stop in order[layer] if stop in ends]
        channel = route_channel([across[stop] for stop in sending], [ends[stop] for stop in sending])
        channels.append(channel)
        senders.append(tuple(node for node, _ in sending))
        starts.append(starts[-1] + depth[layer] + max(1, channel.width + 2 * stub))
    return _Frame(layering, across, tuple(channels), tuple(senders), tuple(starts), depth, stub)


def _longest_labels(layering: Layering, widths: Sequence[int]) -> tuple[int, ...]:
    """Labels of a layer are made as wide as the widest, so that progress can be compared."""
    longest = [0] * len(layering.layers)
    for node, layer in enumerate(layering.layer_of):
        longest[layer] = max(longest[layer], widths[node])
    return tuple(longest)


def _corners(frame: _Frame, source: int, target: int) -> Iterator[Point]:
    """Corners of an edge as (along, across), with both ends."""
    first, last = frame.layering.layer_of[source], frame.layering.layer_of[target]
    yield frame.starts[first] + frame.depth[first], frame.across[source, first]
    for layer in range(first, last):
        here = frame.across[source, layer]
        there = frame.across[(target if layer + 1 == last else source), layer + 1]
        base = frame.starts[layer] + frame.depth[layer] + frame.stub
        for track, turned in frame.channels[layer].turns[frame.senders[layer].index(source)]:
            yield base + track, here
            here = there if turned is None else turned
            yield base + track, here
    yield frame.starts[last] - 1, frame.across[target, last]


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
