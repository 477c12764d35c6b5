"""A small chart of one quantity over time, with its scale, its latest value, and a cursor to read others."""

from __future__ import annotations

import math
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.strip import Strip

from haloctl.tui.cells import fit, one_line
from haloctl.tui.plots import Series, braille_rows, drawn
from haloctl.tui.scales import duration
from haloctl.tui.widgets.panel import Panel

_SCALE_CELLS: Final = 6
_NARROW: Final = 24
"""Inner width below which the scale is left out."""


class LineChart(Panel):
    """One series, filled below its curve, the latest point at the right. Give it values with `show`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"chart--curve", "chart--cursor"}
    DEFAULT_CSS = """
    LineChart { overflow-y: hidden; }
    LineChart > .chart--curve { color: $primary; }
    LineChart > .chart--cursor { color: $background; background: $foreground; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left,h", "move(-1)", "Earlier", id="chart.earlier", show=False, tooltip="Read an earlier value"
        ),
        Binding("right,l", "move(1)", "Later", id="chart.later", show=False, tooltip="Read a later value"),
        Binding("home", "edge(-1)", "Oldest", id="chart.oldest", show=False, tooltip="Read the oldest value"),
        Binding("end", "edge(1)", "Latest", id="chart.latest", show=False, tooltip="Read the latest value"),
        Binding("escape", "leave", "No cursor", id="chart.leave", show=False, tooltip="Take the cursor away"),
    ]

    def __init__(self, *, title: str = "", empty: str = "No measurement yet.", id: str | None = None) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self._title = one_line(title, 60)
        self.series = Series()
        self._made: tuple[tuple[Series, int, int], list[str], float] | None = None
        self.cursor: int | None = None
        """The cell the cursor stands in, from the right edge of the curve."""

    def show(self, series: Series) -> None:
        """Show other values; the same ones cost nothing."""
        if series == self.series:
            return
        self.series = series
        self._tell()
        self.refresh()

    @property
    def _scale_cells(self) -> int:
        return _SCALE_CELLS if self.inner_width >= _NARROW else 0

    @property
    def plot_cells(self) -> int:
        """Cells of the curve."""
        return max(0, self.inner_width - self._scale_cells)

    @property
    def _plot_rows(self) -> int:
        return max(1, self.inner_height - 1) if self.inner_height > 2 else self.inner_height

    def _tell(self) -> None:
        """Write the value read into the border: the latest, or the one under the cursor."""
        reading = self.reading()
        if not reading:
            self.border_title = Content(self._title)
            return
        whole = Content.assemble(self._title, "  ", (reading, "bold"))
        room = self.size.width - 4
        self.border_title = whole if whole.cell_length <= room else Content(reading)

    def reading(self) -> str:
        """The latest value in words, or the one under the cursor and how long ago it was."""
        values = self.series.values
        if not values:
            return ""
        if self.cursor is None:
            return self.series.shown(values[-1])
        points, step_s = drawn(self.series, 2 * self.plot_cells)
        under = [points[-1 - i] for i in (2 * self.cursor, 2 * self.cursor + 1) if i < len(points)]
        known = [float(value) for value in under if math.isfinite(value)]
        value = self.series.shown(sum(known) / len(known)) if known else "–"
        ago = duration(2 * self.cursor * step_s, min(self.series.step_s, 1.0))
        return f"{value}  {ago} ago" if self.cursor else f"{value}  now"

    def on_resize(self) -> None:
        """Fit the curve to the new size."""
        self.cursor = None
        self._tell()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A row of the curve with its scale at the left, or the axis of time below."""
        if not self.series.values:
            return self.empty_line(y)
        rows = self._plot_rows
        curve, span_s = self._picture()
        if y >= rows:
            return self._axis(span_s) if y == rows else self.blank()
        label = self._label(y, rows, self.series.scale_top)
        line = [Segment(label, self.look("panel--muted")), *self._curve(curve[y])]
        return Strip(line, self.inner_width).apply_style(self.base)

    def _picture(self) -> tuple[list[str], float]:
        """Rows of the curve, and the seconds its width stands for; made once for a series and a size."""
        key = (self.series, self.plot_cells, self._plot_rows)
        if self._made is None or self._made[0] != key:
            points, step_s = drawn(self.series, 2 * self.plot_cells)
            rows = braille_rows(points.tolist(), self.series.scale_top, self.plot_cells, self._plot_rows)
            self._made = (key, rows, step_s * 2 * self.plot_cells)
        return self._made[1], self._made[2]

    def _label(self, y: int, rows: int, top: float) -> str:
        if not self._scale_cells:
            return ""
        shown = {0: self.series.shown(top)}
        if rows > 1:
            shown[rows - 1] = self.series.shown(0.0)
        if rows >= 7 and rows % 2:
            shown[rows // 2] = self.series.shown(top / 2)
        return fit(shown.get(y, ""), self._scale_cells - 1, "right") + " "

    def _curve(self, curve: str) -> list[Segment]:
        style = self.look("chart--curve")
        if self.cursor is None:
            return [Segment(curve, style)]
        at = len(curve) - 1 - self.cursor
        under = Segment(curve[at], self.look("chart--cursor"))
        return [Segment(curve[:at], style), under, Segment(curve[at + 1 :], style)]

    def _axis(self, span_s: float) -> Strip:
        ago = f"-{duration(span_s, min(self.series.step_s, 1.0))}"
        text = ago + "now".rjust(max(0, self.plot_cells - len(ago)))
        line = [
            Segment(" " * self._scale_cells),
            Segment(fit(text, self.plot_cells), self.look("panel--muted")),
        ]
        return Strip(line, self.inner_width).apply_style(self.base)

    def _place(self, cell: int | None) -> None:
        """Put the cursor into a cell counted from the right edge, or take it away."""
        if not self.series.values or not self.plot_cells:
            return
        points, _ = drawn(self.series, 2 * self.plot_cells)
        oldest = (len(points) - 1) // 2
        self.cursor = None if cell is None else min(max(0, cell), oldest)
        self._tell()
        self.refresh()

    def action_move(self, cells: int) -> None:
        """Move the cursor by cells; it appears at the latest point."""
        self._place(0 if self.cursor is None else self.cursor - cells)

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the oldest or the latest point."""
        self._place(self.plot_cells if direction < 0 else 0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a cursor there is none to take away: the key means what it means around this widget."""
        return self.cursor is not None if action == "leave" else True

    def action_leave(self) -> None:
        """Take the cursor away."""
        self._place(None)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is."""
        offset = event.get_content_offset(self)
        if offset is not None and offset.x >= self._scale_cells:
            self._place(self.inner_width - 1 - offset.x)
