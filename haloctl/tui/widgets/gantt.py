"""The Gantt chart: a lane for each worker and kind of tool, over the time of a run."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from haloctl.tui.timeline import Span
from haloctl.tui.widgets.gantt_canvas import GanttCanvas


class Gantt(GanttCanvas):
    """Spans of work over time: `show` it a timeline, and tell it with `changed` when that has more.

    While live it follows the end of the run; moving the cursor or the view pauses that, `space` goes on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", id="gantt.zoom_in", tooltip="Show half the time"),
        Binding("minus", "zoom(-1)", "Zoom out", id="gantt.zoom_out", tooltip="Show twice the time"),
        Binding("0", "fit", "Whole run", id="gantt.fit", tooltip="Show the run from its beginning to now"),
        Binding(
            "space", "live", "Live/pause", id="gantt.live", tooltip="Follow the run, or hold the picture"
        ),
        Binding(
            "left,h",
            "move(-1)",
            "Earlier",
            id="gantt.earlier",
            show=False,
            tooltip="Move the cursor back in time",
        ),
        Binding(
            "right,l", "move(1)", "Later", id="gantt.later", show=False, tooltip="Move the cursor on in time"
        ),
        Binding(
            "shift+left,H",
            "pan(-1)",
            "Pan back",
            id="gantt.pan_back",
            show=False,
            tooltip="Show earlier times",
        ),
        Binding(
            "shift+right,L", "pan(1)", "Pan on", id="gantt.pan_on", show=False, tooltip="Show later times"
        ),
        Binding(
            "up,k", "lane(-1)", "Lane above", id="gantt.lane_above", show=False, tooltip="To the lane above"
        ),
        Binding(
            "down,j", "lane(1)", "Lane below", id="gantt.lane_below", show=False, tooltip="To the lane below"
        ),
        Binding(
            "home", "edge(-1)", "Begin", id="gantt.begin", show=False, tooltip="To the beginning of the run"
        ),
        Binding("end", "edge(1)", "Now", id="gantt.end", show=False, tooltip="To what runs now"),
        Binding("enter", "select", "Open", id="gantt.open", tooltip="Open what ran under the cursor"),
        Binding("escape", "leave", "No cursor", id="gantt.leave", show=False, tooltip="Take the cursor away"),
    ]

    class Selected(Message):
        """Spans under the cursor were chosen, the ones begun last first; there may be none."""

        def __init__(self, gantt: Gantt, lane: str, spans: tuple[Span, ...]) -> None:
            super().__init__()
            self.gantt = gantt
            self.lane = lane
            self.spans = spans

        @property
        def control(self) -> Gantt:
            """The chart it happened in."""
            return self.gantt

    _dragged_from: int | None = None
    _dragged = False

    def _place(self, at_s: float, lane: int) -> None:
        """Put the cursor somewhere, hold the picture, and scroll so that it is seen."""
        if not self.timeline.lanes:
            return
        self.live = False
        self.cursor_s = max(0.0, at_s)
        self.cursor_lane = min(max(0, lane), len(self.timeline.lanes) - 1)
        self.view = self.view.showing(self.cursor_s)
        row = self._row_of(self.cursor_lane)
        last = self.inner_height - 2
        if row < self._header:
            self.scroll_relative(y=row - self._header, animate=False)
        elif row > last:
            self.scroll_relative(y=row - last, animate=False)
        self.refresh()

    def _cursor(self) -> float:
        """Where the cursor is, or would appear: at the end of what is seen."""
        if self.cursor_s is not None:
            return self.cursor_s
        last = min(self.view.column(self.timeline.end_s), self.view.cells - 1)
        return self.view.moment(max(0, last))

    def action_move(self, columns: int) -> None:
        """Move the cursor by columns; at an edge the view pans."""
        step = columns if self.cursor_s is not None else 0
        self._place(self._cursor() + step * self.view.cell_s, self.cursor_lane)

    def action_lane(self, step: int) -> None:
        """Move the cursor to another lane."""
        self._place(self._cursor(), self.cursor_lane + (step if self.cursor_s is not None else 0))

    def action_pan(self, direction: int) -> None:
        """Move the view by a quarter of its width, the cursor with it."""
        self._pan(direction * max(1, self.view.cells // 4))

    def _pan(self, columns: int) -> None:
        before = self.view
        self.live = self.fits = False
        self.view = before.panned(columns)
        if self.cursor_s is not None:
            self.cursor_s += self.view.start_s - before.start_s
        self.refresh()

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the beginning of the run, or to its latest moment."""
        self._place(
            0.0 if direction < 0 else self.view.moment(self.view.column(self.timeline.end_s)),
            self.cursor_lane,
        )

    def action_zoom(self, steps: int) -> None:
        """Show half or twice the time, around the cursor or, while live, up to the end."""
        self.fits = False
        self.view = self.view.zoomed(steps, self._cursor())
        if self.cursor_s is not None:
            self.cursor_s = self.view.moment(self.view.column(self.cursor_s))
        self._follow()
        self.refresh()

    def action_fit(self) -> None:
        """Show the whole run."""
        self.fits = True
        self.view = self.view.fitted(self.timeline.end_s)
        if self.cursor_s is not None:
            self.cursor_s = self.view.moment(self.view.column(self.cursor_s))
        self.refresh()

    def action_live(self) -> None:
        """Follow the end of the run, or hold the picture."""
        self.live = not self.live
        if self.live:
            self.cursor_s = None
        self._follow()
        self.refresh()

    def action_select(self) -> None:
        """Tell what is under the cursor."""
        lane, spans = self.under_cursor()
        if lane:
            self.post_message(self.Selected(self, lane, spans))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a cursor there is none to take away: the key means what it means around this widget."""
        return self.cursor_s is not None if action == "leave" else True

    def action_leave(self) -> None:
        """Take the cursor away."""
        self.cursor_s = None
        self.refresh()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag the picture."""
        offset = event.get_content_offset(self)
        if offset is not None and event.button == 1:
            self._dragged_from, self._dragged = offset.x, False
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the picture along."""
        if self._dragged_from is None or event.button != 1:
            return
        x = event.get_content_offset_capture(self).x
        if x != self._dragged_from:
            self._dragged = True
            self._pan(self._dragged_from - x)
            self._dragged_from = x

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Put the cursor where the mouse was pressed, unless the picture was dragged."""
        if self._dragged_from is None:
            return
        self.release_mouse()
        self._dragged_from = None
        offset = event.get_content_offset_capture(self)
        lane = self.lane_at(offset.y)
        column = offset.x - self.label_cells
        if not self._dragged and lane is not None and 0 <= column < self.view.cells:
            self._place(self.view.moment(column), lane)

    def on_click(self, event: events.Click) -> None:
        """A double click opens what is under the mouse."""
        if event.chain == 2:
            self.action_select()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """With ctrl zoom in, with shift pan back; otherwise scroll."""
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """With ctrl zoom out, with shift pan on; otherwise scroll."""
        self._wheel(event, 1)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        if event.ctrl:
            self.action_zoom(-direction)
        elif event.shift:
            self._pan(4 * direction)
        else:
            return
        event.stop()
        event.prevent_default()
