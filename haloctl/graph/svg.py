"""A plan's graph as an SVG picture that follows the reader's light or dark scheme."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil

from haloctl.graph.layout import Box, Layout, Stroke, lay_out
from haloctl.graph.plan_picture import OperatorFacts, PlanPicture, place_text, work_text
from haloctl.sanitise import clean_line

CELL = 10.0
"""Pixels a column of the layout."""
CHARACTER = 7.25
"""Pixels a character of 12 pixels' height in the monospaced fonts named below."""
LINE = 16.0
MARGIN = 24.0
LONGEST = 40
"""Characters of a name shown."""
MODELS = ("#3b82c4", "#b7791f", "#8a5cc7", "#2f9461", "#c2537d", "#5f7d95")
"""Colours of models, readable on both backgrounds; from the seventh model on they repeat."""

KEY = "64 → 12: calls asked for → distinct calls, and a bar for the share that is left"

_STYLE = """
text { font: 12px ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #24292f }
.title { font-size: 15px; font-weight: bold }
.name { font-weight: bold }
.quiet { fill: #636c76 }
.paper { fill: #ffffff }
.box { fill: #f6f8fa; stroke: #d0d7de }
.bar { fill: #d8dee4 }
.edge { fill: none; stroke: #8c959f; stroke-width: 1.4 }
.arrow { fill: #8c959f }
"""
_DARK = """
text { fill: #d8dee6 }
.quiet { fill: #8d96a0 }
.paper { fill: #12151a }
.box { fill: #1d222a; stroke: #363d47 }
.bar { fill: #363d47 }
.edge { stroke: #6e7681 }
.arrow { fill: #6e7681 }
"""
_ILLEGAL = re.compile(r"[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Page:
    """Where the graph lies, and how high a row of it and a box in the row are."""

    top: float
    pitch: float
    height: float

    def middle(self, row: int) -> float:
        return self.top + row * self.pitch + self.height / 2


def plan_svg(picture: PlanPicture) -> str:
    """The picture as an SVG document. The same plan gives the same text."""
    texts = [_lines(facts) for facts in picture.operators]
    lines = max((len(text) for text in texts), default=2)
    page = _Page(top=MARGIN + 3.5 * LINE, pitch=(lines + 1.75) * LINE, height=(lines + 0.75) * LINE)
    layout = lay_out(picture.graph, [_cells(text) for text in texts])
    footer = _footer(picture)
    bottom = page.top + layout.height * page.pitch
    said = [clean_line(text) for text in (picture.title, picture.summary, *picture.notes)]
    longest = max(*map(len, said), len(KEY) + sum(len(model) + 5 for model in _colours(picture)))
    width = 2 * MARGIN + max(layout.width * CELL, longest * CHARACTER)
    height = bottom + MARGIN + LINE * (len(footer) - 0.5)
    body = [
        f'<rect class="paper" width="{width:g}" height="{height:g}" rx="8"/>',
        _text(MARGIN, MARGIN + 12, picture.title, "title"),
        _text(MARGIN, MARGIN + 12 + 1.4 * LINE, picture.summary, "quiet"),
        *_edges(layout, picture, page),
        *_boxes(layout, picture, texts, page),
        *(line.replace("@Y", f"{bottom + LINE * (index + 0.75):g}") for index, line in enumerate(footer)),
    ]
    return _document(width, height, picture.title, body)


def _document(width: float, height: float, title: str, body: Sequence[str]) -> str:
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}"'
            f' width="{width:g}" height="{height:g}">',
            f"<title>{_clean(title)}</title>",
            f"<style>{_STYLE}@media (prefers-color-scheme: dark) {{{_DARK}}}</style>",
            '<defs><marker id="arrow" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6"'
            ' markerUnits="userSpaceOnUse" orient="auto">'
            '<path class="arrow" d="M0 0L6 3L0 6Z"/></marker></defs>',
            *body,
            "</svg>\n",
        )
    )


def _lines(facts: OperatorFacts) -> tuple[tuple[str, str], ...]:
    """Lines of a box, each with what stands at its left and at its right."""
    shared = f"prefix {facts.prefix_tokens:,}" if facts.prefix_tokens else ""
    lines = [
        (clean_line(facts.label, LONGEST), work_text(facts)),
        (clean_line(place_text(facts), LONGEST), shared),
    ]
    if facts.absorbed:
        lines.append((clean_line("also " + ", ".join(facts.absorbed), LONGEST), ""))
    return tuple(lines)


def _cells(lines: Sequence[tuple[str, str]]) -> int:
    characters = max(len(left) + len(right) + (2 if right else 0) for left, right in lines)
    return ceil((characters * CHARACTER + 28) / CELL)


def _boxes(
    layout: Layout, picture: PlanPicture, texts: Sequence[Sequence[tuple[str, str]]], page: _Page
) -> Iterator[str]:
    colours = _colours(picture)
    for box, facts, lines in zip(layout.boxes, picture.operators, texts, strict=True):
        x, y = MARGIN + box.x * CELL, page.middle(box.y) - page.height / 2
        width = box.width * CELL
        share = facts.distinct / facts.calls if facts.calls else 0.0
        yield f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{page.height:g}" rx="5"/>'
        yield (
            f'<rect class="bar" x="{x + 6:g}" y="{y + page.height - 5:g}"'
            f' width="{(width - 12) * share:.1f}" height="3" rx="1.5"/>'
        )
        if facts.model:
            fill = colours[facts.model]
            yield f'<rect x="{x:g}" y="{y:g}" width="5" height="{page.height:g}" rx="2.5" fill="{fill}"/>'
        for index, (left, right) in enumerate(lines):
            line = y + LINE * (index + 1)
            yield _text(x + 14, line, left, "quiet" if index else "name")
            if right:
                yield _text(x + width - 10, line, right, "quiet" if index else "", end=True)


def _edges(layout: Layout, picture: PlanPicture, page: _Page) -> Iterator[str]:
    for (source, target), path in zip(picture.graph.edges, layout.paths, strict=True):
        points = list(_points(layout.boxes[source], path, layout.boxes[target], page))
        yield f'<path class="edge" marker-end="url(#arrow)" d="{_rounded(points)}"/>'


def _points(source: Box, path: Sequence[Stroke], target: Box, page: _Page) -> Iterator[tuple[float, float]]:
    """From the source's right edge over the middles of the path's cells to the target's left edge."""
    yield MARGIN + (source.x + source.width) * CELL, page.middle(source.y)
    for cell in path:
        yield MARGIN + (cell.x + 0.5) * CELL, page.middle(cell.y)
    yield MARGIN + target.x * CELL, page.middle(target.y)


def _rounded(points: Sequence[tuple[float, float]]) -> str:
    """A path through the points with rounded corners; points on a straight line are left out."""
    corners = [
        here
        for before, here, after in zip(points, points[1:], points[2:], strict=False)
        if (before[0] == here[0]) != (here[0] == after[0])
    ]
    turns = [points[0], *corners, points[-1]]
    drawn = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, here, after in zip(turns, turns[1:], turns[2:], strict=False):
        (ax, ay), (bx, by) = _near(here, before), _near(here, after)
        drawn.append(f"L{ax:g} {ay:g}Q{here[0]:g} {here[1]:g} {bx:g} {by:g}")
    return "".join((*drawn, f"L{points[-1][0]:g} {points[-1][1]:g}"))


def _near(corner: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """The point where a corner's rounding begins."""
    dx, dy = towards[0] - corner[0], towards[1] - corner[1]
    length = abs(dx) + abs(dy)
    step = min(CELL / 2, length / 2) / length
    return corner[0] + dx * step, corner[1] + dy * step


def _colours(picture: PlanPicture) -> dict[str, str]:
    models = dict.fromkeys(facts.model for facts in picture.operators if facts.model)
    return {model: MODELS[index % len(MODELS)] for index, model in enumerate(models)}


def _footer(picture: PlanPicture) -> list[str]:
    """Lines below the graph, their height written as @Y: models, then notes."""
    x, legend = MARGIN, []
    for model, colour in _colours(picture).items():
        name = clean_line(model, LONGEST)
        legend.append(f'<text x="{x:g}" y="@Y"><tspan fill="{colour}">■</tspan> {_clean(name)}</text>')
        x += (len(name) + 5) * CHARACTER
    legend.append(f'<text class="quiet" x="{x:g}" y="@Y">{KEY}</text>')
    notes = [f'<text class="quiet" x="{MARGIN:g}" y="@Y">{_clean(note)}</text>' for note in picture.notes]
    return ["".join(legend), *notes]


def _text(x: float, y: float, text: str, kind: str, *, end: bool = False) -> str:
    named = f' class="{kind}"' if kind else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text{named} x="{x:g}" y="{y:g}"{anchor}>{_clean(text)}</text>'


def _clean(text: str) -> str:
    """Text of an XML document: nothing of it is markup, and what XML does not allow is left out."""
    return escape(_ILLEGAL.sub("", clean_line(text)), quote=True)
