"""The line on top of every screen before a run: which step this is, of which workflow, on what session."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from haloctl.tui.cells import one_line

STEPS: Final = ("workflow", "queries", "plan", "run")
UNASKED: Final = "nothing runs without your yes"
"""What stands at the right of the first step."""


class Steps(Widget):
    """`1 workflow › 2 queries › 3 plan › 4 run`, this step marked; at the right what is worth knowing."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"steps--here", "steps--other", "steps--note", "steps--name"}
    DEFAULT_CSS = """
    Steps { height: 1; background: $panel; }
    Steps > .steps--name { color: $foreground; text-style: bold; }
    Steps > .steps--here { color: $primary; text-style: bold reverse; }
    Steps > .steps--other { color: $foreground 55%; }
    Steps > .steps--note { color: $foreground 75%; }
    """

    def __init__(self, step: int, note: str = "") -> None:
        super().__init__()
        self._step = step
        self._note = note

    def note(self, text: str) -> None:
        """Say something else at the right."""
        self._note = text
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The steps, and the note as far as there is room."""
        width = self.size.width
        segments = [Segment(" haloctl  ", self.get_component_rich_style("steps--name"))]
        for at, name in enumerate(STEPS):
            look = self.get_component_rich_style(f"steps--{'here' if at == self._step else 'other'}")
            segments.append(Segment(f" {at + 1} {name} ", look))
        used = sum(cell_len(segment.text) for segment in segments)
        note = one_line(self._note, max(0, width - used - 3))
        gap = " " * max(0, width - used - cell_len(note) - 1)
        segments += [
            Segment(gap, self.rich_style),
            Segment(note, self.get_component_rich_style("steps--note")),
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)
