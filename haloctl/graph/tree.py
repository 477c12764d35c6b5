"""A graph as a tree, one row a node: what is left when a layered drawing would not fit.

Each node hangs below the last of its sources; edges from its other sources are not drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haloctl.graph.layout import Box, Layout, Stroke
from haloctl.graph.model import Graph
from haloctl.graph.strokes import DOWN, LEFT, RIGHT, UP

INDENT = 2
"""Columns a level: one for the line, one for the turn into the label."""


def lay_out_tree(graph: Graph, widths: Sequence[int]) -> Layout:
    """Rows in depth-first order; labels end in one column, so that what stands at their ends lines up."""
    parents = tuple(some[-1] if some else None for some in graph.sources())
    children: list[list[int]] = [[] for _ in graph.nodes]
    for node, parent in enumerate(parents):
        if parent is not None:
            children[parent].append(node)
    depth = [0] * len(graph.nodes)
    rows = [0] * len(graph.nodes)
    for row, (node, level) in enumerate(_walk(parents, children)):
        depth[node], rows[node] = level, row
    right = max((INDENT * level + width for level, width in zip(depth, widths, strict=True)), default=0)
    boxes = tuple(
        Box(x=INDENT * level, y=row, width=right - INDENT * level)
        for level, row in zip(depth, rows, strict=True)
    )
    return Layout(
        direction="tree",
        width=right,
        height=len(boxes),
        boxes=boxes,
        paths=tuple(
            tuple(_line(boxes[source], boxes[target])) if parents[target] == source else ()
            for source, target in graph.edges
        ),
        layer_of=tuple(depth),
    )


def _walk(parents: Sequence[int | None], children: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Nodes with their depth, in the order of their rows."""
    waiting = [(node, 0) for node in reversed(range(len(parents))) if parents[node] is None]
    while waiting:
        node, level = waiting.pop()
        yield node, level
        waiting += [(child, level + 1) for child in reversed(children[node])]


def _line(parent: Box, child: Box) -> Iterator[Stroke]:
    for y in range(parent.y + 1, child.y):
        yield Stroke(x=parent.x, y=y, arms=UP | DOWN)
    yield Stroke(x=parent.x, y=child.y, arms=UP | RIGHT)
    for x in range(parent.x + 1, child.x):
        yield Stroke(x=x, y=child.y, arms=LEFT | RIGHT)
