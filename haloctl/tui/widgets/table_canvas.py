"""The picture of a table: the lines of the rows on the screen, whatever number there is in all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from haloctl.tui.cells import fit
from haloctl.tui.columns import Order
from haloctl.tui.filter_language import Conditions
from haloctl.tui.row_table import Column, Rows, RowTable
from haloctl.tui.table_layout import Placed, gap, place
from haloctl.tui.themes import STATES, component_classes, looks_css
from haloctl.tui.widgets.panel import Panel

_NO_MATCH: Final = "No row meets the filter. Press esc to see all rows."
_GLYPHS: Final[dict[str, str]] = {state: look.glyph for state, look in STATES.items()}
_KEPT: Final = 512
"""Drawn rows kept; a screen has fewer."""


class TableCanvas(Panel):
    """Rows under a header, without keys: see `haloctl.tui.widgets.table.VTable`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--chosen",
        "table--blurred",
    } | component_classes("table", STATES)
    DEFAULT_CSS = """
    TableCanvas > .table--header { color: $foreground 65%; text-style: bold; }
    TableCanvas > .table--chosen { color: $primary; text-style: bold underline; }
    TableCanvas > .table--blurred { background: $foreground 10%; }
    TableCanvas:nocolor > .table--blurred { text-style: bold; }
    """ + looks_css("TableCanvas", "table", STATES)

    def __init__(
        self, *, title: str = "", empty: str = "There are no rows yet.", id: str | None = None
    ) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self.rows: Rows = RowTable((Column(key="row", title=""),))
        self.conditions: Conditions = ()
        self.sort: str | None = None
        self.descending = False
        self.follows = False
        self.cursor = 0
        self.chosen_column = 0
        self.first_column = 1
        self._order: Order | None = None  # None: all rows as they came, without an array of their numbers
        self._drawn: dict[int, Strip] = {}

    @property
    def count(self) -> int:
        """How many rows meet the filter."""
        return self.rows.count if self._order is None else len(self._order)

    @property
    def cursor_row(self) -> int | None:
        """The number of the row under the cursor."""
        return self.row_at(self.cursor) if self.count else None

    def row_at(self, position: int) -> int:
        """The number of the row at a position of the view."""
        return position if self._order is None else int(self._order[position])

    def show(self, rows: Rows) -> None:
        """Show other rows, from the first; filter and sorting go."""
        self.rows = rows
        self.conditions, self.sort, self.descending = (), None, False
        self.cursor, self.chosen_column, self.first_column = 0, 0, 1
        self._drawn.clear()
        self.select()

    def select(self, otherwise: int | None = None) -> None:
        """Find the rows to show, in their order.

        The cursor stays on its row if that is among them, else goes to position `otherwise` (where it is).
        """
        kept = self.cursor_row if self.cursor < self.count else None
        plain = not self.conditions and self.sort is None
        self._order = None if plain else self.rows.select(self.conditions, self.sort, self.descending)
        if not self.follows:
            at = self.cursor if otherwise is None else otherwise
            self.cursor = at if kept is None else self._position(kept, at)
        self.fit_rows()
        self.refresh()

    def _position(self, row: int, otherwise: int) -> int:
        if self._order is None:
            return row
        found = np.flatnonzero(self._order == row)
        return int(found[0]) if len(found) else otherwise

    def changed(self, rows: Iterable[int] = ()) -> None:
        """Take notice of appended rows, and draw changed `rows` again as far as they are on the screen.

        While a filter or an order is set, all rows are selected anew: call this a few times a second.
        """
        changed = set(rows)
        for row in changed:
            self._drawn.pop(row, None)
        if self._order is not None:
            self.select()
            return
        before = self.virtual_size.height
        self.fit_rows()
        first = self.scroll_offset.y
        for position in range(first, min(first + self.inner_height - 1, self.count)):
            if position in changed or position + 1 >= before:
                self.refresh_position(position)

    def fit_rows(self) -> None:
        """Give the scroll bar the number of rows, and keep the cursor among them."""
        was_empty = self.virtual_size.height <= 1
        self.virtual_size = Size(self.inner_width, self.count + 1)
        self.cursor = max(0, self.count - 1 if self.follows else min(self.cursor, self.count - 1))
        self.reveal()
        if was_empty or not self.count:
            self.refresh()

    def reveal(self) -> None:
        """Scroll so that the cursor is seen, below the header."""
        if not self.is_attached:
            return
        lines = self.inner_height - 1
        top = min(self.scroll_offset.y, self.cursor)
        if self.cursor >= top + lines:
            top = self.cursor - lines + 1
        if top != self.scroll_offset.y and lines > 0:
            self.scroll_to(y=top, animate=False, force=True)

    def refresh_position(self, position: int) -> None:
        """Draw one row again."""
        y = position - self.scroll_offset.y + 1
        if 1 <= y < self.inner_height:
            self.refresh(Region(0, y, self.size.width, 1))

    def notify_style_update(self) -> None:
        """Forget rows drawn in the colours of before."""
        super().notify_style_update()
        self._drawn.clear()

    def on_resize(self) -> None:
        """Lay the columns out anew."""
        self._drawn.clear()
        self.fit_rows()
        self.refresh()

    @property
    def placed(self) -> tuple[Placed, ...]:
        """The columns on the screen."""
        return place(self.rows.columns, self.inner_width - 2, self.first_column)

    def render_line(self, y: int) -> Strip:
        """The header, or the row that is scrolled to this line."""
        if not self.rows.count:
            return self.empty_line(y)
        if y == 0:
            return self._header()
        position = y - 1 + self.scroll_offset.y
        if not self.count:
            return self.empty_line(y, _NO_MATCH)
        if position >= self.count:
            return self.blank()
        row = self.row_at(position)
        strip = self._drawn.get(row)
        if strip is None:
            if len(self._drawn) >= _KEPT:
                self._drawn.clear()
            strip = self._drawn[row] = self._row(row)
        return self._under_cursor(strip) if position == self.cursor else strip

    def _under_cursor(self, strip: Strip) -> Strip:
        look = self.look("panel--cursor" if self.has_focus else "table--blurred")
        style = Style(bgcolor=look.bgcolor, bold=look.bold or None, reverse=look.reverse or None)
        return Strip(Segment.apply_style(strip, post_style=style), strip.cell_length)

    def _header(self) -> Strip:
        line = [Segment(" ")]
        for column in self.placed:
            spec = self.rows.columns[column.index]
            arrow = "" if spec.key != self.sort else "▼" if self.descending else "▲"
            title = fit(spec.title, column.width - len(arrow)).rstrip() + arrow
            pad = Segment(" " * (column.width - cell_len(title)))
            chosen = column.index == self.chosen_column and self.has_focus
            text = Segment(title, self.look("table--chosen" if chosen else "table--header"))
            line += [pad, text] if spec.numeric else [text, pad]
            line.append(Segment(" " * gap(self.inner_width - 2)))
        return self._whole(line)

    def _row(self, row: int) -> Strip:
        cells = self.rows.cells(row)
        line = [Segment(" ")]
        between = Segment(" " * gap(self.inner_width - 2))
        for column in self.placed:
            spec, text = self.rows.columns[column.index], cells[column.index]
            style = None
            if spec.kind == "state" and text in _GLYPHS:
                style = self.look(f"table--{text}")
                text = f"{_GLYPHS[text]} {text}" if spec.width != 1 else _GLYPHS[text]
            elif text == "–":
                style = self.look("panel--muted")
            line += [Segment(fit(text, column.width, "right" if spec.numeric else "left"), style), between]
        return self._whole(line)

    def _whole(self, line: list[Segment]) -> Strip:
        strip = Strip(line).apply_style(self.base)
        return strip.adjust_cell_length(self.inner_width, self.base)
