"""Lines of the graph as styled cells: labels with their progress, and edges; nothing here keeps state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.style import Style

from haloctl.graph.arrange import Arrangement
from haloctl.graph.model import Graph
from haloctl.graph.strokes import stroke
from haloctl.tui.cells import fit
from haloctl.tui.operator_status import OperatorStatus, counts_text, share_text, state_of
from haloctl.tui.themes import STATES

Cell = tuple[str, Style]
"""A character and how it looks; the second cell of a wide character is the empty text."""
Look = Callable[[str], Style]

FILLS = ("computed", "coalesced", "cached", "failed", "blocked", "running")
"""Parts of the progress behind a label, from the left."""
HOT, NEAR = 1, 2
"""How edges are marked, as bits: leading into an operator that runs, and at the cursor."""


def label_cells(
    label: str, llm: bool, status: OperatorStatus, width: int, detail: str, mark: str, look: Look
) -> list[Cell]:
    """A label of exactly `width` cells. `mark` is `cursor`, `unfocused`, `hover` or nothing."""
    state = state_of(status)
    tail = counts_text(status) if detail == "counts" else share_text(status) if detail == "share" else ""
    name = fit(label, max(0, width - 2 - (len(tail) + 1 if tail else 0)))
    trouble = "failed" if status.failed else "blocked" if status.blocked else ""
    plain = look("")
    runs = [
        (STATES[state].glyph, look(f"dag--{trouble or state}")),
        (" ", plain),
        (name, plain + Style(bold=llm or None, underline=mark == "hover" or None)),
        (f" {tail}" if tail else "", look(f"dag--{trouble or 'count'}")),
    ]
    cells = [(text, style) for run, style in runs for text in _split(run)]
    names = _fill_names(status, len(cells))
    backs = {name: _behind(look(name)) for name in dict.fromkeys(names)}
    named = 2 + cell_len(name.rstrip())
    chip = look(f"dag--{mark}") if mark in ("cursor", "unfocused") else None
    return [
        (text, chip if chip and 1 < index < named else style if style.reverse else style + backs[behind])
        for index, ((text, style), behind) in enumerate(zip(cells, names, strict=True))
    ]


def _behind(fill: Style) -> Style:
    """What a part of the progress adds to the text over it: a background, or attributes without colour."""
    return Style(
        bgcolor=fill.bgcolor,
        underline=fill.underline or None,
        underline2=fill.underline2 or None,
        strike=fill.strike or None,
        reverse=fill.reverse or None,
        dim=fill.dim or None,
        bold=False if fill.dim else fill.bold or None,  # terminals take both together for one of them
    )


def _split(text: str) -> Iterator[str]:
    """A character a cell; combining marks stay with what they are on."""
    held = ""
    for character in text:
        width = cell_len(character)
        if not width:
            held += character
            continue
        if held:
            yield held
        held = character
        if width == 2:
            yield held
            held = ""
            yield ""
    if held:
        yield held


def _fill_names(status: OperatorStatus, width: int) -> list[str]:
    """The component class behind each cell. What failed shows, however little it is."""
    parts = (
        status.done - status.coalesced - status.cached,
        status.coalesced,
        status.cached,
        status.failed,
        status.blocked,
        status.running,
    )
    total = max(status.total, sum(parts), 1)
    names: list[str] = []
    reached = 0
    for fill, part in zip(FILLS, parts, strict=True):
        reached += max(0, part)
        names += [f"dag--fill-{fill}"] * (min(width, reached * width // total) - len(names))
    if status.failed and "dag--fill-failed" not in names:
        names[max(0, len(names) - 1) :] = ["dag--fill-failed"]
    return names[:width] + ["dag--fill"] * (width - len(names))


class EdgeCells:
    """The strokes of an arrangement by row, and which look each edge has."""

    def __init__(self, arrangement: Arrangement) -> None:
        self.rows: list[dict[int, list[tuple[int, int]]]] = [{} for _ in range(arrangement.layout.height)]
        self.rows_of: list[set[int]] = []
        """The rows that each edge passes."""
        for edge, path in enumerate(arrangement.layout.paths):
            self.rows_of.append({cell.y for cell in path})
            for cell in path:
                self.rows[cell.y].setdefault(cell.x, []).append((edge, cell.arms))

    def draw(self, row: int, marks: Sequence[int], looks: Sequence[Style]) -> Iterator[tuple[int, Cell]]:
        """Cells of a row with their columns; `looks` are for no mark, hot, and near. Hot edges are heavy."""
        for x, passing in self.rows[row].items():
            thin = heavy = mark = 0
            for edge, arms in passing:
                thin |= arms
                heavy |= arms if marks[edge] & HOT else 0
                mark = max(mark, marks[edge])
            yield x, (stroke(thin, heavy), looks[min(mark, NEAR)])


def notes_of_tree(labels: Sequence[str], graph: Graph, arrangement: Arrangement) -> Mapping[int, str]:
    """For each node of a tree, the labels of sources that no line leads from."""
    notes: dict[int, list[str]] = {}
    if arrangement.layout.direction == "tree":
        for (source, target), path in zip(graph.edges, arrangement.layout.paths, strict=True):
            if not path:
                notes.setdefault(target, []).append(labels[source])
    return {node: "← " + ", ".join(sources) for node, sources in notes.items()}
