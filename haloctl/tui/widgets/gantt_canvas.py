"""The picture of a Gantt chart: what it holds, where things stand, and its lines."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from haloctl.tui.cells import fit, fit_middle, one_line
from haloctl.tui.scales import duration
from haloctl.tui.themes import SPANS, component_classes, looks_css
from haloctl.tui.timeline import KINDS, EpochMark, Span, Timeline
from haloctl.tui.viewport import Viewport
from haloctl.tui.widgets.gantt_lines import axis_line, epochs_line, lane_cells, segments
from haloctl.tui.widgets.gantt_palette import Palette
from haloctl.tui.widgets.panel import Panel

_EMPTY: Final = "Nothing has run yet. Lanes appear when the first worker or tool starts."
_SHARE_CELLS: Final = 5
_NARROW: Final = 30
"""Inner width below which utilisation is left out."""


class GanttCanvas(Panel):
    """Spans of work over time, without keys: see `haloctl.tui.widgets.gantt.Gantt`.

    `live` tells whether the picture follows the end of the run, `over` that the run goes on no more; who sets
    `over` calls `changed`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "gantt--track",
        "gantt--epoch",
        "gantt--cursor",
    } | component_classes("gantt", SPANS)
    DEFAULT_CSS = """
    GanttCanvas { border-subtitle-color: $foreground 55%; border-subtitle-style: none; }
    GanttCanvas > .gantt--track { background: $foreground 5%; }
    GanttCanvas > .gantt--epoch { color: $foreground 45%; }
    GanttCanvas > .gantt--cursor { color: $background; background: $foreground; text-style: bold; }
    """ + looks_css("GanttCanvas", "gantt", SPANS)

    def __init__(self, *, title: str = "Timeline", empty: str = _EMPTY, id: str | None = None) -> None:
        super().__init__(title=title, empty=empty, id=id)
        self.timeline = Timeline()
        self.view = Viewport()
        self.live = True
        self.over = False
        self.fits = True
        self.cursor_s: float | None = None
        self.cursor_lane = 0
        self._palettes: dict[bool, Palette] = {}
        self._tracks: dict[str, tuple[object, Strip]] = {}
        self._epochs: tuple[EpochMark, ...] = ()

    def show(self, timeline: Timeline) -> None:
        """Show another timeline, which stays the caller's to change; call `changed` when it did."""
        self.timeline = timeline
        self._tracks.clear()
        self.cursor_lane = 0
        self.changed()
        self.refresh()

    def changed(self) -> None:
        """Redraw what is not up to date: all when the view moved or lanes came, else only changed lanes."""
        self._tell_sums()
        lanes = len(self.timeline.lanes)
        size = Size(self.inner_width, self._header + lanes * self._pitch + 1)
        moved = self._follow()
        if size != self.virtual_size or moved or self.timeline.epochs is not self._epochs:
            self._epochs = self.timeline.epochs
            self.virtual_size = size
            self.refresh()
            return
        for index, lane in enumerate(self.timeline.lanes):
            known = self._tracks.get(lane)
            if known is None or known[0] != self._key(lane):
                self._refresh_row(self._row_of(index))
        self._refresh_row(self.inner_height - 1)

    def _tell_sums(self) -> None:
        """Say in the border what a viewer misses: these have no names under the cursor."""
        summed = self.timeline.summed
        told = f"{summed:,} span{'' if summed == 1 else 's'} known in sum only" if summed else ""
        if told != (self.border_subtitle or ""):
            self.border_subtitle = told

    def _follow(self) -> bool:
        """Bring the view up to date; whether it moved."""
        before = self.view
        view = self.view.resized(self.inner_width - self.label_cells - self._share_cells)
        if self.live and self.fits:
            view = view.fitted(self.timeline.end_s)
        elif self.live:
            view = view.following(self.timeline.end_s)
        self.view = view
        return view != before

    @property
    def label_cells(self) -> int:
        """Cells left of the tracks."""
        longest = max((cell_len(one_line(lane, 24)) for lane in self.timeline.lanes), default=0)
        return min(longest, max(4, self.inner_width // 4)) + 1

    @property
    def _share_cells(self) -> int:
        return _SHARE_CELLS if self.inner_width >= _NARROW else 0

    @property
    def _header(self) -> int:
        return 2 if self.timeline.epochs else 1

    @property
    def _pitch(self) -> int:
        """Lines from one lane to the next: an empty one between them where there is room."""
        return 2 if self._header + 2 * len(self.timeline.lanes) + 1 <= self.inner_height else 1

    def lane_at(self, y: int) -> int | None:
        """The lane drawn on line `y` of the screen."""
        index, rest = divmod(y + self.scroll_offset.y - self._header, self._pitch)
        drawn = self._header <= y < self.inner_height - 1 and index < len(self.timeline.lanes)
        return index if drawn and not rest else None

    def _row_of(self, lane: int) -> int:
        return self._header + lane * self._pitch - self.scroll_offset.y

    def _refresh_row(self, y: int) -> None:
        if 0 <= y < self.inner_height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _key(self, lane: str) -> object:
        now = self.view.column(self.timeline.end_s)
        return (
            self.timeline.revision(lane),
            self.view,
            min(now, self.view.cells),
            len(self.timeline.epochs),
            self._share(lane),
            self._pitch,
        )

    def _share(self, lane: str) -> str:
        end_s = min(self.view.end_s, self.timeline.end_s)
        share = self.timeline.utilisation(lane, self.view.start_s, end_s)
        return ("<1%" if 0 < share < 0.005 else f"{share:.0%}").rjust(_SHARE_CELLS)

    def notify_style_update(self) -> None:
        """Forget what was drawn in the colours of before."""
        super().notify_style_update()
        self._palettes.clear()
        self._tracks.clear()

    def on_resize(self) -> None:
        """Fit the columns to the new width."""
        self._follow()
        self.virtual_size = Size(self.inner_width, self._header + len(self.timeline.lanes) * self._pitch + 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen: epochs and axis above, the read-out at the bottom, lanes between."""
        if not self.timeline.lanes:
            return self.empty_line(y)
        if y == self.inner_height - 1:
            return self._footer()
        if y < self._header:
            return self._head(y)
        index = self.lane_at(y)
        return self.blank() if index is None else self._lane(index)

    def _head(self, y: int) -> Strip:
        if y < self._header - 1:
            text, style = epochs_line(self.timeline.epochs, self.view), self.look("gantt--epoch")
        else:
            text, style = axis_line(self.view), self.look("panel--muted")
        line = [Segment(" " * self.label_cells), Segment(text, style), Segment(" " * self._share_cells)]
        strip = Strip(line, self.inner_width).apply_style(self.base)
        if y == self._header - 1 and self.cursor_s is not None:
            strip = self._marked(strip, "▼")
        return strip

    def _lane(self, index: int) -> Strip:
        lane = self.timeline.lanes[index]
        key = self._key(lane)
        known = self._tracks.get(lane)
        if known is None or known[0] != key:
            cells = lane_cells(self.timeline, lane, self.view, self._colours())
            share = Segment(self._share(lane) if self._share_cells else "", self.look("panel--muted"))
            strip = Strip([*segments(cells), share])
            known = self._tracks[lane] = (key, strip)
        current = index == self.cursor_lane and self.cursor_s is not None
        style = self.base + Style(bold=True) if current else self.look("panel--muted")
        label = fit_middle(lane, self.label_cells - 1) + " "
        strip = Strip([Segment(label, style), *known[1]], self.inner_width)
        return self._marked(strip) if current else strip

    def _marked(self, strip: Strip, glyph: str = "") -> Strip:
        """The line with the cursor's column made to stand out."""
        assert self.cursor_s is not None
        at = self.label_cells + self.view.column(self.cursor_s)
        before, under, after = strip.crop(0, at), strip.crop(at, at + 1), strip.crop(at + 1, self.inner_width)
        text = glyph or under.text
        style = self.look("panel--strong") if glyph else self.look("gantt--cursor")
        return Strip.join([before, Strip([Segment(text, style)], 1), after])

    def _colours(self) -> Palette:
        thin = self._pitch == 1 and len(self.timeline.lanes) > 1
        if thin not in self._palettes:
            self._palettes[thin] = Palette(self.look, self.base, plain=self.app.no_color, thin=thin)
        return self._palettes[thin]

    def _footer(self) -> Strip:
        state = "ended" if self.over else "live" if self.live else "paused"
        right = f" {state} · {duration(self.view.cell_s)} a cell"
        if len(right) > self.inner_width // 3:
            right = f" {state}"
        room = self.inner_width - len(right)
        left = self._legend(room) if self.cursor_s is None else [Segment(fit(self.reading(), room))]
        style = self.look("panel--strong" if self.live and not self.over else "panel--muted")
        return Strip([*left, Segment(right, style)], self.inner_width).apply_style(self.base)

    def _legend(self, room: int) -> list[Segment]:
        line: list[Segment] = []
        used = 0
        for kind in KINDS:
            if used + len(kind) + 4 > room:
                break
            glyph, style = self._colours().legend(kind)
            line += [Segment(glyph, style), Segment(f" {kind}  ", self.look("panel--muted"))]
            used += len(kind) + 4
        return [*line, Segment(" " * (room - used))]

    def under_cursor(self) -> tuple[str, tuple[Span, ...]]:
        """The lane of the cursor, and the spans that touch its column, the ones begun last first."""
        if self.cursor_s is None or not self.timeline.lanes:
            return "", ()
        lane = self.timeline.lanes[self.cursor_lane]
        return lane, self.timeline.at(lane, self.cursor_s, self.cursor_s + self.view.cell_s)

    def _rolled(self, lane: str) -> str:
        """What the lane did under the cursor where its spans are not known one by one."""
        assert self.cursor_s is not None
        shares = self.timeline.rolled(lane, self.cursor_s, self.cursor_s + self.view.cell_s)
        return ", ".join(f"{kind} {share:.0%}" for kind, share in shares if share >= 0.005)

    def reading(self) -> str:
        """What is under the cursor, in words."""
        lane, spans = self.under_cursor()
        if self.cursor_s is None or not lane:
            return ""
        at = duration(self.cursor_s, self.view.cell_s if self.view.cell_s < 1 else 1.0)
        if not spans:
            return f"{at}  {one_line(lane, 40)}: {self._rolled(lane) or 'idle'}"
        span = spans[0]
        took = f"{'' if span.ok else 'failed after '}{duration(span.end_s - span.start_s)}"
        more = f"  and {len(spans) - 1:,} more" if len(spans) > 1 else ""
        return (
            f"{at}  {span.kind} {one_line(span.label, 80)}".rstrip()
            + f"  {took} from {duration(span.start_s)}{more}"
        )
