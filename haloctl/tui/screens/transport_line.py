"""The line of a replay: where it stands, how fast it goes."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from haloctl.tui.model import ReplayPlace, ViewState
from haloctl.tui.pieces import TONE_SHADES
from haloctl.tui.scales import duration
from haloctl.tui.themes import component_classes, looks_css

_LEFT_CELLS = 12
_RIGHT_CELLS = 20


class TransportLine(Widget):
    """`▶ 12s ━━━━●──── 1m05s  8×`; there only while a run is replayed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = component_classes("tone", TONE_SHADES)
    DEFAULT_CSS = """
    TransportLine { height: 1; display: none; background: $surface; }
    """ + looks_css("TransportLine", "tone", TONE_SHADES)

    def __init__(self) -> None:
        super().__init__()
        self._place: ReplayPlace | None = None

    def show(self, view: ViewState) -> None:
        """Redraws when the place changed."""
        self.display = view.replay is not None
        if view.replay != self._place:
            self._place = view.replay
            self.refresh()

    @property
    def _track(self) -> int:
        return max(4, self.size.width - _LEFT_CELLS - _RIGHT_CELLS)

    def moment_at(self, x: int) -> float | None:
        """The moment that column `x` of the track stands for."""
        column = x - _LEFT_CELLS
        if self._place is None or not 0 <= column < self._track:
            return None
        return self._place.end_s * column / max(1, self._track - 1)

    def render_line(self, y: int) -> Strip:
        """Glyph and moment, track, end and speed."""
        place, width = self._place, self.size.width
        if place is None:
            return Strip.blank(width, self.rich_style)
        look = {name: self.get_component_rich_style(f"tone--{name}") for name in ("strong", "busy", "muted")}
        share = place.at_s / place.end_s if place.end_s else 1.0
        at = round(share * (self._track - 1))
        glyph = "▶" if place.playing else "‖"
        left = f" {glyph} {duration(place.at_s, 1)}".ljust(_LEFT_CELLS)
        right = f"  {duration(place.end_s, 1)}  {place.speed:g}×"
        segments = [
            Segment(left, look["strong"]),
            Segment("━" * at, look["busy"]),
            Segment("●", look["busy"]),
            Segment("─" * (self._track - at - 1), look["muted"]),
            Segment(right, look["muted"]),
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)
