"""Which drawing of a graph suits a room: as much detail as fits, to the right, else down, else a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from engine.ir.ids import Record
from haloctl.graph.layout import Layout, lay_out, least_size
from haloctl.graph.model import Graph
from haloctl.graph.tree import lay_out_tree

Detail = Literal["counts", "share", "name"]
"""What stands behind a name in its label: `412/500`, `82%`, or nothing."""
DETAILS: tuple[Detail, ...] = ("counts", "share", "name")
"""From most to least."""

GLYPH = 2
"""Cells before a name: a glyph and a space."""
SHARE = 5
"""Cells of a share: a space and up to 100%."""
LONGEST_NAME = 28
"""Names are cut to this many cells in drawings with layers; in a tree they are whole."""
SHORT_NAME = 12
"""Cut to this if that makes the graph fit to the right."""
MOST_IN_LAYERS = 40
"""Graphs with more nodes are drawn in layers only if nothing needs scrolling."""
SIBLING_GAP = 2
"""Free columns between labels side by side."""


class Arrangement(Record, frozen=True, kw_only=True):
    """A layout, and how much a label in it says."""

    layout: Layout
    detail: Detail


class _Try(NamedTuple):
    """A kind of drawing, and how many rows it may have."""

    direction: Literal["right", "down"]
    gap: int
    rows: int


def arrange(
    graph: Graph, names: Sequence[int], counts: Sequence[int], *, width: int, height: int
) -> Arrangement:
    """Lay `graph` out for `width` × `height` cells; it may be higher than that, a tree also wider.

    `names` and `counts` are the cells of each node's name and of its counts at their longest, so that a
    drawing need not change while a run goes on.
    """
    limit = height if len(graph.nodes) > MOST_IN_LAYERS else 2 * height
    for step, detail, longest in _ladder(height, limit):
        labels = _labels(detail, [min(name, longest) for name in names], counts)
        columns, rows = least_size(graph, labels, direction=step.direction, gap=step.gap)
        if columns > width or rows > step.rows:
            continue
        layout = lay_out(graph, labels, direction=step.direction, gap=step.gap)
        if layout.width <= width and layout.height <= step.rows:
            return Arrangement(layout=layout, detail=detail)
    for detail in DETAILS:
        tree = lay_out_tree(graph, _labels(detail, names, counts))
        if tree.width <= width or detail == DETAILS[-1]:
            break
    return Arrangement(layout=tree, detail=detail)


def _ladder(height: int, limit: int) -> Iterator[tuple[_Try, Detail, int]]:
    """What to try, best first: airy lines to the right where they need no scrolling, else dense ones."""
    names: tuple[tuple[Detail, int], ...] = (
        *((detail, LONGEST_NAME) for detail in DETAILS),
        ("name", SHORT_NAME),
    )
    for detail, longest in names:
        yield _Try("right", 1, height), detail, longest
        yield _Try("right", 0, limit), detail, longest
    for detail in DETAILS:
        yield _Try("down", SIBLING_GAP, limit), detail, LONGEST_NAME


def _labels(detail: Detail, names: Sequence[int], counts: Sequence[int]) -> list[int]:
    tail = {"counts": 1, "share": SHARE, "name": 0}[detail]
    return [
        GLYPH + name + tail + (count if detail == "counts" else 0)
        for name, count in zip(names, counts, strict=True)
    ]
