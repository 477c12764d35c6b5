"""The picture of a graph of operators: what it holds, where things stand, and its lines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from haloctl.graph.arrange import arrange
from haloctl.graph.folding import fold
from haloctl.graph.model import Graph
from haloctl.tui.cells import fit, one_line
from haloctl.tui.operator_status import OperatorStatus, counts_cells, described, together
from haloctl.tui.themes import STATES, State, component_classes, looks_css
from haloctl.tui.widgets.dag_lines import FILLS, HOT, NEAR, Cell, EdgeCells, label_cells, notes_of_tree
from haloctl.tui.widgets.panel import Panel

_EMPTY: Final = "No operators yet. They appear when a workflow is planned."
_MARGIN: Final = 1
"""Columns left free at the left."""
_LONGEST_LABEL: Final = 60
_LEAST_NOTE: Final = 5
"""Columns beside a tree below which nothing is noted there."""
_NOTHING: Final = Graph(nodes=(), edges=())
_TOLD: Final[tuple[tuple[State, str, str], ...]] = (
    ("running", "dag--running", "running"),
    ("done", "dag--fill-computed", "computed"),
    ("shared", "dag--fill-coalesced", "coalesced"),
    ("cached", "dag--fill-cached", "cached"),
    ("failed", "dag--fill-failed", "failed"),
    ("blocked", "dag--fill-blocked", "blocked"),
    ("skipped", "dag--skipped", "skipped"),
)
"""What is told where there is no colour: the glyph of a state, the look that stands behind labels, a word."""


class DagCanvas(Panel):
    """A graph of operators, without keys: see `haloctl.tui.widgets.dag.DagView`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "dag--edge",
        "dag--hot",
        "dag--near",
        "dag--count",
        "dag--cursor",
        "dag--unfocused",
        "dag--fill",
        "dag--fill-computed",
        "dag--fill-coalesced",
        "dag--fill-cached",
        "dag--fill-failed",
        "dag--fill-blocked",
        "dag--fill-running",
    } | component_classes("dag", STATES)
    DEFAULT_CSS = """
    DagCanvas { overflow-x: auto; scrollbar-gutter: stable; scrollbar-size-horizontal: 1; }
    DagCanvas > .dag--edge { color: $foreground 40%; }
    DagCanvas > .dag--hot { color: $primary; }
    DagCanvas > .dag--near { color: $foreground; }
    DagCanvas > .dag--count { color: $foreground 75%; }
    DagCanvas > .dag--cursor { color: $background; background: $primary; text-style: bold; }
    DagCanvas > .dag--unfocused { color: $foreground; background: $primary 35%; text-style: bold; }
    DagCanvas:nocolor > .dag--cursor {
        text-style: bold reverse; color: $foreground; background: $background;
    }
    DagCanvas:nocolor > .dag--unfocused {
        text-style: reverse dim underline; color: $foreground; background: $background;
    }
    DagCanvas:nocolor > .dag--count { color: $foreground; }
    DagCanvas > .dag--fill { background: $foreground 7%; }
    DagCanvas > .dag--fill-computed { background: $success 40%; }
    DagCanvas > .dag--fill-coalesced { background: $success 20%; }
    DagCanvas > .dag--fill-cached { background: $accent 35%; }
    DagCanvas > .dag--fill-failed { background: $error 45%; }
    DagCanvas > .dag--fill-blocked { background: $error 20%; }
    DagCanvas > .dag--fill-running { background: $primary 25%; }
    DagCanvas:nocolor > .dag--fill { background: $background; }
    DagCanvas:nocolor > .dag--fill-computed { background: $background; text-style: underline; }
    DagCanvas:nocolor > .dag--fill-coalesced { background: $background; text-style: underline dim; }
    DagCanvas:nocolor > .dag--fill-cached { background: $background; text-style: uu; }
    DagCanvas:nocolor > .dag--fill-failed { background: $background; text-style: bold reverse; }
    DagCanvas:nocolor > .dag--fill-blocked { background: $background; text-style: strike; }
    DagCanvas:nocolor > .dag--fill-running { background: $background; }
    """ + looks_css("DagCanvas", "dag", STATES)

    def __init__(
        self, graph: Graph = _NOTHING, *, title: str = "Graph", empty: str = _EMPTY, id: str | None = None
    ) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self.whole = _NOTHING
        self.graph = _NOTHING
        self.cursor = 0
        self.hover: int | None = None
        self._statuses: list[OperatorStatus] = []
        self._width = self._height = 0
        self._rows: dict[int, Strip] = {}
        self._looks: dict[str, Style] = {}
        self._take(graph)

    def _take(self, graph: Graph) -> None:
        self.whole = graph
        self._opened: frozenset[str] = frozenset()
        self._of_operator = {node.id: OperatorStatus(operator=node.id) for node in graph.nodes}
        self._fold()

    def _fold(self) -> None:
        """Draw the graph with the chains and fans folded that nobody has opened, where it is large."""
        folded = fold(self.whole, self._opened)
        graph = self.graph = folded.graph
        self._members = folded.members
        self.cursor, self.hover = 0, None
        self._position = {id_: index for index, ids in enumerate(folded.members) for id_ in ids}
        self._labels = [one_line(node.label, _LONGEST_LABEL) for node in graph.nodes]
        self._statuses = [self._sum(node) for node in range(len(graph.nodes))]
        self._sources, self._readers = graph.sources(), graph.readers()
        self._marks = [0] * len(graph.edges)
        self._room: object = None

    def set_graph(self, graph: Graph) -> None:
        """Show another graph, of which nothing has happened yet. The same graph changes nothing."""
        if graph != self.whole:
            self._take(graph)
            self._arrange()
            self.refresh()

    def _sum(self, node: int) -> OperatorStatus:
        """How the operators of a node stand together."""
        return together([self._of_operator[id_] for id_ in self._members[node]])

    def show(self, statuses: Iterable[OperatorStatus]) -> None:
        """Say how operators stand, and redraw the lines that changed.

        What is not named stays as it is; names that are not in the graph are ignored.
        """
        changed: set[int] = set()
        for status in statuses:
            node = self._position.get(status.operator)
            if node is not None and self._of_operator[status.operator] != status:
                self._of_operator[status.operator] = status
                changed.add(node)
        for node in changed:
            self._statuses[node] = self._sum(node)
        if changed and not self._arrange():
            self._redraw(changed)

    def _redraw(self, nodes: Iterable[int]) -> None:
        """Draw labels of `nodes` again, and edges whose marks are no longer right, once there is a layout."""
        if self._room is None:
            return
        rows = {self.arrangement.layout.boxes[node].y for node in nodes}
        marks = [self._mark(*edge) for edge in self.graph.edges]
        for edge, (before, after) in enumerate(zip(self._marks, marks, strict=True)):
            if before != after:
                rows |= self._edges.rows_of[edge]
        self._marks = marks
        for row in rows:
            self._rows.pop(row, None)
            self._refresh_line(row - self.scroll_offset.y)
        self._refresh_line(self._height - 1)

    def _mark(self, source: int, target: int) -> int:
        near = self.cursor in (source, target) or self.hover in (source, target)
        return (HOT if self._statuses[target].running else 0) | (NEAR if near else 0)

    def _refresh_line(self, y: int) -> None:
        if 0 <= y < self._height:
            self.refresh(Region(0, y, self._width, 1))

    def _arrange(self) -> bool:
        """Lay the graph out if the room or the counts' width changed; whether they did."""
        counts = tuple(counts_cells(status) for status in self._statuses)
        width, height = self.scrollable_content_region.size
        room = (width - _MARGIN, max(1, height - 1), counts)
        if room == self._room or not self.is_attached or width <= 0:
            return False
        self._width, self._height = width, height
        self._room = room
        names = [max(1, cell_len(label)) for label in self._labels]
        self.arrangement = arrange(self.graph, names, counts, width=room[0], height=room[1])
        self._edges = EdgeCells(self.arrangement)
        beside = room[0] - self.arrangement.layout.width
        notes = notes_of_tree(self._labels, self.graph, self.arrangement)
        self._notes = {n: " " + fit(note, beside - 1) for n, note in notes.items() if beside > _LEAST_NOTE}
        self._rows = {}
        self._marks = [self._mark(*edge) for edge in self.graph.edges]
        boxes, layout = self.arrangement.layout.boxes, self.arrangement.layout
        self._nodes_in: dict[int, list[int]] = {}
        for node, box in enumerate(boxes):
            self._nodes_in.setdefault(box.y, []).append(node)
        self.virtual_size = Size(layout.width + _MARGIN, layout.height + 1)
        self.refresh()
        return True

    def notify_style_update(self) -> None:
        """Forget what was drawn in the colours of before."""
        super().notify_style_update()
        self._rows = {}
        self._looks = {}

    def look(self, name: str) -> Style:
        """The style of a component class, or of plain text if it has no name; found once for a theme."""
        style = self._looks.get(name)
        if style is None:
            style = self._looks[name] = super().look(name) if name else self.rich_style
        return style

    def watch_show_horizontal_scrollbar(self) -> None:
        """A scrollbar that comes or goes moves the last line."""
        self.call_after_refresh(self._arrange)

    def on_resize(self) -> None:
        """Lay out for the new size, and keep the cursor in sight."""
        if self._arrange() and self.graph.nodes:
            self.call_after_refresh(self.show_cursor)

    def show_cursor(self) -> None:
        """Scroll no further than needed for the cursor to be seen."""
        if not self.graph.nodes:
            return
        box = self.arrangement.layout.boxes[self.cursor]
        region = Region(box.x, box.y, box.width + 2 * _MARGIN, 2)
        self.scroll_to_region(region, animate=False, force=True)

    def node_at(self, x: int, y: int) -> int | None:
        """The node whose label is at a cell of the screen."""
        column, row = x + self.scroll_offset.x - _MARGIN, y + self.scroll_offset.y
        if not self.graph.nodes or y >= self._height - 1:
            return None
        boxes = self.arrangement.layout.boxes
        return next(
            (n for n in self._nodes_in.get(row, ()) if 0 <= column - boxes[n].x < boxes[n].width), None
        )

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the graph, and at the bottom what is known of one operator."""
        if not self.graph.nodes or self._room is None:
            return self.empty_line(y)
        if y == self._height - 1:
            return self._read_out()
        row, x, width = y + self.scroll_offset.y, self.scroll_offset.x, self._width
        strip = self._rows.get(row)
        if strip is None:
            strip = self._rows[row] = self._drawn(row)
        return strip if not x and strip.cell_length == width else strip.crop(x, x + width)

    def _drawn(self, row: int) -> Strip:
        """A row of the whole picture, at least as wide as the room."""
        plain = self.look("")
        cells: list[Cell] = [(" ", plain)] * (_MARGIN + self.arrangement.layout.width)
        if row < len(self._edges.rows):
            looks = [self.look(name) for name in ("dag--edge", "dag--hot", "dag--near")]
            for x, cell in self._edges.draw(row, self._marks, looks):
                cells[_MARGIN + x] = cell
        for node in self._nodes_in.get(row, ()):
            box = self.arrangement.layout.boxes[node]
            start = _MARGIN + box.x
            cells[start : start + box.width] = self._label(node, box.width)
            if node in self._notes:
                cells.append((self._notes[node], self.look("panel--muted")))
        runs = groupby(cells, key=lambda cell: cell[1])
        strip = Strip([Segment("".join(text for text, _ in run), style) for style, run in runs])
        return strip.extend_cell_length(max(strip.cell_length, self._width), plain)

    def _label(self, node: int, width: int) -> list[Cell]:
        mark = "hover" if node == self.hover else ""
        if node == self.cursor:
            mark = "cursor" if self.has_focus else "unfocused"
        llm = self.graph.nodes[node].kind == "llm"
        detail = self.arrangement.detail
        return label_cells(self._labels[node], llm, self._statuses[node], width, detail, mark, self.look)

    def read_out(self) -> str:
        """The operator at the mouse, else at the cursor, and all that is known of it, in words."""
        if not self.graph.nodes:
            return ""
        at = self.cursor if self.hover is None else self.hover
        node, status = self.graph.nodes[at], self._statuses[at]
        return f"{self._labels[at]} ({one_line(node.kind, 12)}) · {described(status)}"

    def _read_out(self) -> Strip:
        """What `read_out` says, and at the right what looks mean, where there is room for both."""
        width, said = self._width, self.read_out()
        legend = self._legend()
        margin = Segment(" " * _MARGIN, self.look(""))
        room = width - _MARGIN - sum(piece.cell_length for piece in legend)
        if cell_len(said) + 2 > room:
            legend, room = [], width - _MARGIN
        return Strip([margin, Segment(fit(said, room), self.look("")), *legend], width)

    def _legend(self) -> list[Segment]:
        """What stands behind the labels; without colour glyphs are told too."""
        samples: list[tuple[str, str, str]]
        if self.app.no_color:
            samples = [(f"{STATES[state].glyph} ", look, words) for state, look, words in _TOLD]
        else:
            samples = [("  ", f"dag--fill-{fill}", fill) for fill in FILLS]
        return [
            piece
            for sample, look, words in samples
            for piece in (
                Segment(sample, self.look(look)),
                Segment(f" {words}  ", self.look("panel--muted")),
            )
        ]
