"""The graph of operators under keys and mouse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from haloctl.tui.widgets.dag_canvas import DagCanvas

_MEANING = {
    "right": {"left": "back", "right": "on", "up": "before", "down": "after"},
    "down": {"up": "back", "down": "on", "left": "before", "right": "after"},
    "tree": {"left": "back", "right": "on", "up": "above", "down": "below"},
}
"""What an arrow means by the direction the graph runs in: along an edge, within a layer, or by lines."""


class DagView(DagCanvas):
    """A graph of operators with how each stands. Give it `set_graph` once and `show` as things change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "go('left')", "Left", id="dag.left", show=False, tooltip="To what this one reads"),
        Binding(
            "right,l", "go('right')", "Right", id="dag.right", show=False, tooltip="To what reads this one"
        ),
        Binding("up,k", "go('up')", "Up", id="dag.up", show=False, tooltip="To the operator above"),
        Binding("down,j", "go('down')", "Down", id="dag.down", show=False, tooltip="To the operator below"),
        Binding("home,g", "edge(0)", "First", id="dag.first", show=False, tooltip="To the first operator"),
        Binding("end,G", "edge(-1)", "Last", id="dag.last", show=False, tooltip="To the last operator"),
        Binding(
            "enter",
            "select",
            "Open",
            id="dag.open",
            tooltip="Open the operator at the cursor, or what is folded",
        ),
        Binding("z", "fold", "Fold", id="dag.fold", show=False, tooltip="Fold all chains and fans again"),
    ]

    class _About(Message):
        def __init__(self, dag: DagView, operator: str) -> None:
            super().__init__()
            self.dag = dag
            self.operator = operator

        @property
        def control(self) -> DagView:
            """The graph it happened in."""
            return self.dag

    class Highlighted(_About):
        """The cursor went to another operator."""

    class Selected(_About):
        """An operator was chosen."""

    @property
    def operator(self) -> str | None:
        """The operator at the cursor."""
        return self.graph.nodes[self.cursor].id if self.graph.nodes else None

    def _place(self, node: int) -> None:
        if node == self.cursor:
            return
        before, self.cursor = self.cursor, node
        if self.is_attached:
            self._redraw((before, node))
            self.show_cursor()
        self.post_message(self.Highlighted(self, self.graph.nodes[node].id))

    def action_go(self, arrow: str) -> None:
        """Move the cursor: along the graph to a neighbour, across it within the layer, in a tree by lines."""
        if self.graph.nodes:
            meaning = _MEANING[self.arrangement.layout.direction][arrow]
            self._place(self._neighbour(meaning))

    def _neighbour(self, meaning: str) -> int:
        if meaning == "back":
            return self._nearest(self._sources[self.cursor])
        if meaning == "on":
            return self._nearest(self._readers[self.cursor])
        layout = self.arrangement.layout
        line = [
            node
            for node in range(len(layout.boxes))
            if meaning in ("above", "below") or layout.layer_of[node] == layout.layer_of[self.cursor]
        ]
        line.sort(key=lambda node: (layout.boxes[node].y, layout.boxes[node].x))
        step = -1 if meaning in ("above", "before") else 1
        return line[min(max(0, line.index(self.cursor) + step), len(line) - 1)]

    def _nearest(self, nodes: Iterable[int]) -> int:
        """The one of `nodes` that the way to is shortest; the cursor's own if there is none."""
        boxes = self.arrangement.layout.boxes
        here = boxes[self.cursor]

        def distance(node: int) -> tuple[int, int]:
            there = boxes[node]
            across = there.x + there.width // 2 - here.x - here.width // 2
            return abs(there.y - here.y), abs(across)

        return min(nodes, key=distance, default=self.cursor)

    def action_edge(self, position: int) -> None:
        """Move the cursor to the first operator or to the last."""
        if self.graph.nodes:
            self._place(position % len(self.graph.nodes))

    def action_select(self) -> None:
        """Tell which operator is at the cursor; operators that are folded into one are shown instead."""
        if self.graph.nodes and len(self._members[self.cursor]) > 1:
            self._refold(self._opened.union(self._members[self.cursor]))
        elif self.operator is not None:
            self.post_message(self.Selected(self, self.operator))

    def action_fold(self) -> None:
        """Fold all that was opened."""
        if self._opened:
            self._refold(frozenset())

    def _refold(self, opened: frozenset[str]) -> None:
        """Draw the graph with other operators opened; the cursor stays where it was."""
        at, self._opened = self.operator, opened
        self._fold()
        self._arrange()
        self.cursor = self._position.get(at or "", 0)
        self.refresh()
        if self.is_attached:
            self.call_after_refresh(self.show_cursor)

    def on_focus(self) -> None:
        """Show where the keys go."""
        self._redraw_cursor()

    def on_blur(self) -> None:
        """Show that the keys go elsewhere."""
        self._redraw_cursor()

    def _redraw_cursor(self) -> None:
        if self.graph.nodes:
            self._redraw((self.cursor,))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Point out the operator under the mouse, its edges and what is known of it."""
        offset = event.get_content_offset(self)
        self._point(None if offset is None else self.node_at(offset.x, offset.y))

    def on_leave(self) -> None:
        """Forget the mouse."""
        self._point(None)

    def _point(self, node: int | None) -> None:
        if node != self.hover:
            touched = [n for n in (self.hover, node) if n is not None]
            self.hover = node
            self._redraw(touched)

    def on_click(self, event: events.Click) -> None:
        """Choose the operator under the mouse."""
        offset = event.get_content_offset(self)
        node = None if offset is None else self.node_at(offset.x, offset.y)
        if node is not None:
            self._place(node)
            self.action_select()
