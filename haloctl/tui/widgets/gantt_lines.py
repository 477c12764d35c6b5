"""Lines of the Gantt chart as styled text: lanes, epochs, axis and legend; nothing here keeps state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment

from haloctl.tui.cells import one_line
from haloctl.tui.scales import time_ticks
from haloctl.tui.timeline import EpochMark, Timeline
from haloctl.tui.viewport import Viewport
from haloctl.tui.widgets.gantt_palette import Cell, Palette


def lane_cells(timeline: Timeline, lane: str, view: Viewport, palette: Palette) -> list[Cell]:
    """The track of one lane, a character and its style for each column."""
    kinds, shares = timeline.columns(lane, view.halves())
    cells = palette.cells(kinds, shares)
    end = view.column(timeline.end_s)
    for column in range(max(0, end + 1), view.cells):
        cells[column] = (" ", palette.base)
    for column in epoch_columns(timeline.epochs, view):
        if cells[column] is palette.idle:
            cells[column] = ("┊", palette.idle[1] + palette.epoch)
    return cells


def epoch_columns(epochs: Sequence[EpochMark], view: Viewport) -> set[int]:
    """Columns on the screen in which an epoch begins."""
    return {column for epoch in epochs if 0 <= (column := view.column(epoch.at_s)) < view.cells}


def labels_line(labels: Sequence[tuple[int, str]], cells: int) -> str:
    """Labels at their columns on one line; one that would touch the label before it is left out."""
    line, used = "", 0
    for column, label in sorted(labels):
        room = cells - column
        if column < 0 or room <= 0 or (line and (column < used + 1 or cell_len(label) > room)):
            continue
        line += " " * (column - used) + one_line(label, room)
        used = cell_len(line)
    return line + " " * (cells - used)


def axis_line(view: Viewport) -> str:
    """The time axis: a tick and its label at round moments."""
    ticks = time_ticks(view.start_s, view.end_s, view.cells)
    return labels_line([(view.column(tick.at_s), "╷" + tick.label) for tick in ticks], view.cells)


def epochs_line(epochs: Sequence[EpochMark], view: Viewport) -> str:
    """Names of epochs where they begin; the one under way stands at the left edge, if it has room there."""
    labels = [(view.column(epoch.at_s), "┊" + epoch.label) for epoch in epochs]
    before = [label for column, label in labels if column < 0]
    first = min((column for column, _ in labels if column >= 0), default=view.cells)
    current = [(0, before[-1])] if before and first > cell_len(before[-1]) else []
    return labels_line(current + labels, view.cells)


def segments(cells: Sequence[Cell]) -> list[Segment]:
    """Cells as runs of one style."""
    return [
        Segment("".join([text for text, _ in run]), run[0][1])
        for run in (list(group) for _, group in groupby(cells, key=lambda cell: id(cell[1])))
    ]
