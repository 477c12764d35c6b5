"""What the widgets of the terminal interface cost, at the sizes they are made for.

Draws a Gantt chart of 100,000 spans and a table of 100,000 rows at 160×46 cells, whole and after a change,
and filters and sorts the table. Times are milliseconds of processor time, the best of some rounds: what
the work takes on a quiet machine. `frame` is all lines of a widget, drawn with nothing kept from before.
A filter is timed as a person waits for it, by the clock: `first` is the first one a table ever had, `worst`
the slowest of some rounds with that one among them, `best` the processor time of the fastest.

    python -m bench.widgets [--spans 100000] [--rows 100000] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual.app import App, ComposeResult
from textual.scroll_view import ScrollView

from haloctl.tui.filter_language import parse_filter
from haloctl.tui.plots import Series
from haloctl.tui.projection.queries import COLUMNS
from haloctl.tui.row_table import RowTable, fields_of
from haloctl.tui.themes import STATES, THEMES, SpanKind
from haloctl.tui.timeline import Span, Timeline
from haloctl.tui.widgets.chart import LineChart
from haloctl.tui.widgets.gantt import Gantt
from haloctl.tui.widgets.table import VTable

SIZE = (160, 46)
FILTERS = ("region", "state:failed node:extract done:>2", '"total sales" -asia', "e")


class One(App[None]):
    """A screen of one widget."""

    def __init__(self, widget: ScrollView) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.widget = widget

    def compose(self) -> ComposeResult:
        """The widget alone."""
        yield self.widget


def spans(count: int) -> list[Span]:
    """Eight workers and four kinds of tools, each doing one thing after another, some side by side."""
    draw = random.Random(1)
    lanes = [*(f"worker-{i}" for i in range(8)), "sql", "http", "python", "files"]
    at = dict.fromkeys(lanes, 0.0)
    computing: list[SpanKind] = ["prefill", "decode", "decode", "wait"]
    made = []
    for index in range(count):
        lane = lanes[index % len(lanes)]
        length = draw.expovariate(20)
        kind: SpanKind = draw.choice(computing) if lane.startswith("w") else "tool"
        made.append(
            Span(lane=lane, start_s=at[lane], end_s=at[lane] + length, kind=kind, label="answer/region")
        )
        at[lane] += length * draw.choice([0.5, 1.0, 1.2])
    return made


def questions(count: int) -> dict[str, list[object]]:
    """The columns of page 3, for questions of fifteen words in every state."""
    draw = random.Random(1)
    words = ["orders", "region", "ASIA", "which", "customer", "total", "sales", "year", "größe", "nation"]
    return {
        "row": list(range(count)),
        "state": draw.choices(list(STATES), k=count),
        "node": draw.choices(["extract", "answer", "merge", ""], k=count),
        "done": draw.choices(range(5), k=count),
        "of": [4] * count,
        "id": [f"#{i}" for i in range(count)],
        "text": [" ".join(draw.choices(words, k=15)) for _ in range(count)],
        "error": draw.choices(["", "", "", "sql_error: no such table"], k=count),
    }


def times_ms(work: Callable[[], object], repeat: int = 25) -> float:
    """The least processor time of `work`."""
    taken = []
    for _ in range(repeat):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return round(min(taken) * 1000, 2)


def filter_ms(work: Callable[[], object], repeat: int = 7) -> dict[str, float]:
    """The first and the worst time of `work` by the clock, and its least processor time."""
    waits, taken = [], []
    for _ in range(repeat):
        since, started = time.perf_counter(), time.thread_time()
        work()
        waits.append(time.perf_counter() - since)
        taken.append(time.thread_time() - started)
    found = {"first": waits[0], "worst": max(waits), "best": min(taken)}
    return {name: round(seconds * 1000, 2) for name, seconds in found.items()}


def frame(widget: ScrollView) -> None:
    """Draw all lines of a widget, as after a change of theme."""
    widget.notify_style_update()
    for y in range(widget.scrollable_content_region.height):
        widget.render_line(y)


def add(chart: Gantt, more: list[Span]) -> None:
    """A page's way to show what a batch told."""
    chart.timeline.add(more)
    chart.changed()


async def gantt(count: int) -> dict[str, float]:
    """Whole frames at the scale of the run and deep inside it, and what a batch of new spans costs."""
    made = spans(count)
    chart = Gantt()
    figures = {"fill": times_ms(lambda: Timeline().add(made), 3)}
    app = One(chart)
    async with app.run_test(size=SIZE) as pilot:
        add(chart, made)
        await pilot.pause()
        figures["frame"] = times_ms(lambda: frame(chart))
        few = Timeline()
        few.add(made[:1000])
        end = chart.timeline.end_s
        batch = [Span(lane="worker-0", start_s=end, end_s=end + 0.05, kind="decode", label="x")] * 50
        figures["add_50"] = times_ms(lambda: add(chart, batch))
        await pilot.press("plus", "plus", "plus", "plus", "plus", "left")
        figures["frame_zoomed"] = times_ms(lambda: frame(chart))
        figures["reading"] = times_ms(chart.reading)
        chart.show(few)
        await pilot.press("0")
        figures["frame_of_1000"] = times_ms(lambda: frame(chart))
    return figures


def put_and_redraw(rows: RowTable, view: VTable) -> None:
    """The row under the cursor comes to another state."""
    rows.put(view.cursor, {"state": "done"})
    view.changed([view.cursor])
    view.render_line(3)


async def table(count: int) -> dict[str, float]:
    """Whole frames, moving, filtering and sorting."""
    values = questions(count)
    figures = {"fill": times_ms(lambda: RowTable(COLUMNS).extend(values), 3)}
    made = RowTable(COLUMNS)
    made.extend(values)
    view = VTable()
    async with One(view).run_test(size=SIZE) as pilot:
        view.show(made)
        await pilot.pause()
        figures["frame"] = times_ms(lambda: frame(view))
        view.move_to(count // 2)
        figures["frame_in_the_middle"] = times_ms(lambda: frame(view))
        figures["put_and_redraw"] = times_ms(partial(put_and_redraw, made, view))
        fields = fields_of(COLUMNS)
        for typed in FILTERS:
            conditions = parse_filter(typed, fields)
            assert isinstance(conditions, tuple)
            fresh = RowTable(COLUMNS)  # columns keep something of the filters they had
            fresh.extend(values)
            view.filter(())
            view.show(fresh)
            await pilot.pause()
            waits = filter_ms(partial(view.filter, conditions))
            figures |= {f"filter {typed}, {which}": wait for which, wait in waits.items()}
        view.filter(())
        for key in ("done", "node", "state", "text"):
            figures[f"sort {key}"] = times_ms(partial(view.sort_by, key), 5)
    return figures


async def line_chart() -> dict[str, float]:
    """A chart that gets ten minutes of values at a time."""
    chart = LineChart(title="Tokens")
    async with One(chart).run_test(size=(60, 12)) as pilot:
        series = [Series(values=tuple(float(i * j % 97) for i in range(600))) for j in (7, 11)]
        turn = iter(series * 100)
        await pilot.pause()

        def show_and_frame() -> None:
            chart.show(next(turn))
            frame(chart)

        return {"show_and_frame": times_ms(show_and_frame)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures = {
        f"gantt, {asked.spans:,} spans": asyncio.run(gantt(asked.spans)),
        f"table, {asked.rows:,} rows": asyncio.run(table(asked.rows)),
        "line chart, 600 points": asyncio.run(line_chart()),
    }
    for name, measured in figures.items():
        print(name)
        for what, value in measured.items():
            print(f"  {what:52} {value:9.2f} ms")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
