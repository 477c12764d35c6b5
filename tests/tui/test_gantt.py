"""The Gantt chart under keys and mouse, in its goldens, and drawing no more than what changed."""

from __future__ import annotations

import asyncio
import random
import re
from typing import ClassVar

import pytest
from textual import events
from textual.app import App

from haloctl.tui.themes import THEMES
from haloctl.tui.timeline import EpochMark, Span, Timeline
from haloctl.tui.widgets.gantt import Gantt


def spans(seed: int = 1, until_s: float = 60.0) -> list[Span]:
    """Two workers that load, prefill, decode and wait, and two kinds of tools."""
    draw = random.Random(seed)
    made = []
    for worker in ("worker-0", "worker-1"):
        at = 0.0
        for kind, chance, longest in [
            ("load", 0.1, 4.0),
            ("prefill", 1, 0.8),
            ("decode", 1, 3.0),
            ("wait", 0.3, 3.0),
        ] * 40:
            if draw.random() < chance and at < until_s:
                length = draw.uniform(0.1, longest)
                made.append(
                    Span(
                        lane=worker,
                        start_s=at,
                        end_s=at + length,
                        kind=kind,
                        label=f"answer/region {len(made)}",
                    )
                )
                at += length
    for start_s, end_s, kind in [(30.0, 33.0, "prefill"), (31.0, 36.0, "decode"), (40.2, 41.0, "prefill")]:
        made.append(Span(lane="worker-1", start_s=start_s, end_s=end_s, kind=kind, label="answer/beside"))
    for tool in ("sql", "http"):
        for start in (draw.uniform(0, until_s) for _ in range(40)):
            made.append(
                Span(
                    lane=tool,
                    start_s=start,
                    end_s=start + draw.expovariate(2),
                    kind="tool",
                    label="answer/sales",
                )
            )
    return made


class Counted(Gantt):
    """A chart that notes which lines it draws."""

    def __init__(self):
        super().__init__()
        self.drawn = set()

    def render_line(self, y):
        self.drawn.add(y)
        return super().render_line(y)


class Chart(App[None]):
    """A screen of one chart; `selected` is what it told last."""

    def __init__(self, theme: str = "haloctl-dark", filled: bool = True) -> None:
        super().__init__()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme
        self.filled = filled
        self.selected: list[Gantt.Selected] = []

    def compose(self):
        yield Counted()

    def on_mount(self):
        if self.filled:
            chart = self.query_one(Gantt)
            chart.timeline.add(spans())
            for index, at in enumerate((0.0, 22.5, 47.0)):
                chart.timeline.mark(EpochMark(at_s=at, label=f"epoch {index + 1}"))
            running = Span(lane="worker-0", start_s=62.5, end_s=64.0, kind="decode", label="answer/answer 9")
            chart.timeline.show_running([running], 64.0)
            chart.changed()

    def on_gantt_selected(self, event: Gantt.Selected) -> None:
        self.selected.append(event)


def drive(*keys, size=(100, 16), app=None, then=None):
    """The chart after `keys`; `then(chart)` looks at it while it still runs."""

    async def run():
        chart_app = app or Chart()
        async with chart_app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            chart = chart_app.query_one(Gantt)
            return await then(chart, pilot) if then else chart

    return asyncio.run(run())


def test_while_live_the_whole_run_is_seen():
    chart = drive()
    assert chart.live
    assert chart.view.start_s == 0
    assert chart.view.end_s >= 64 > chart.view.end_s / 2


@pytest.mark.parametrize(("key", "factor"), [("plus", 0.5), ("equals_sign", 0.5), ("minus", 2.0)])
def test_zoom_keys_halve_and_double(key, factor):
    assert drive(key).view.cell_s == drive().view.cell_s * factor


def test_zoomed_in_and_live_the_end_stays_in_sight():
    chart = drive("plus", "plus")
    assert chart.live
    assert 0 <= chart.view.column(64.0) < chart.view.cells


def test_0_shows_the_whole_run_again():
    assert drive("plus", "plus", "0").view == drive().view


@pytest.mark.parametrize(("key", "step"), [("left", -1), ("h", -1), ("right", 1), ("l", 1)])
def test_arrows_show_a_cursor_and_then_move_it(key, step):
    first, second = drive("left"), drive("left", key)
    assert second.cursor_s == first.cursor_s + step * first.view.cell_s
    assert not second.live


def test_the_view_pans_when_the_cursor_leaves_it():
    chart = drive("plus", "plus", "home")
    assert (chart.cursor_s, chart.view.start_s) == (0, 0)
    chart = drive("plus", "plus", "home", "end", "right", "right", "right")
    assert chart.view.start_s > 0
    assert 0 <= chart.view.column(chart.cursor_s) < chart.view.cells


@pytest.mark.parametrize(("back", "on"), [("shift+left", "shift+right"), ("H", "L")])
def test_panning_holds_the_picture_and_keeps_the_scale(back, on):
    zoomed = drive("plus", "plus")
    chart = drive("plus", "plus", back)
    assert not chart.live
    assert chart.view.start_s == max(0, zoomed.view.start_s - chart.view.cells // 4 * chart.view.cell_s)
    assert drive("plus", "plus", back, on).view.start_s >= chart.view.start_s


@pytest.mark.parametrize(("down", "up"), [("down", "up"), ("j", "k")])
def test_the_cursor_changes_lanes_and_stops_at_the_ends(down, up):
    assert drive("left", down, down).cursor_lane == 2
    assert drive("left", *[down] * 9).cursor_lane == 3
    assert drive("left", down, *[up] * 9).cursor_lane == 0


def test_space_holds_and_follows():
    assert not drive("space").live
    chart = drive("left", "space")
    assert chart.live
    assert chart.cursor_s is None


def test_escape_takes_the_cursor_away_first_and_then_means_something_else():
    left: list[str] = []

    class Outer(Chart):
        BINDINGS: ClassVar = [("escape", "out", "Out")]

        def action_out(self):
            left.append("out")

    drive("left", "escape", app=Outer())
    assert left == []
    drive("left", "escape", "escape", app=Outer())
    assert left == ["out"]


def test_enter_tells_the_spans_under_the_cursor():
    app = Chart()
    chart = drive("home", "enter", app=app)
    (told,) = app.selected
    assert told.control is chart
    assert told.lane == "worker-0"
    assert told.spans[-1].start_s == 0


def test_the_read_out_names_what_is_under_the_cursor():
    chart = drive("home")
    kind = chart.timeline.at("worker-0", 0, 1)[0].kind
    assert chart.reading().startswith(f"0s  {kind} answer/region")


def test_the_read_out_says_of_a_call_that_it_failed():
    chart = Gantt()
    timeline = Timeline(["w"])
    timeline.add([Span(lane="w", start_s=0, end_s=3, kind="prefill", label="a/b", ok=False)])

    class One(App[None]):
        def compose(self):
            yield chart

    async def run():
        async with One().run_test(size=(80, 10)) as pilot:
            chart.show(timeline)
            await pilot.pause()
            chart.focus()
            await pilot.press("home")
            return chart.reading()

    assert asyncio.run(run()) == "0s  prefill a/b  failed after 3s from 0s"


def test_a_click_places_the_cursor_and_a_double_click_opens():
    app = Chart()

    async def click(chart, pilot):
        await pilot.click(Gantt, offset=(30, 5))
        await pilot.pause()
        lane, column = chart.cursor_lane, chart.view.column(chart.cursor_s)
        await pilot.click(Gantt, offset=(30, 5), times=2)
        await pilot.pause()
        return chart.label_cells, lane, column

    label_cells, lane, column = drive(app=app, then=click)
    assert (lane, column) == (1, 30 - 1 - label_cells)
    assert [told.lane for told in app.selected] == ["worker-1"]


def test_dragging_pans_and_places_no_cursor():
    async def drag(chart, pilot):
        await pilot.press("plus", "plus")
        before = chart.view
        await pilot.mouse_down(Gantt, offset=(40, 4))
        await pilot.hover(Gantt, offset=(50, 4))
        await pilot.mouse_up(Gantt, offset=(50, 4))
        return before, chart.view, chart.cursor_s

    before, after, cursor_s = drive(then=drag)
    assert after.start_s == before.start_s - 10 * before.cell_s
    assert cursor_s is None


@pytest.mark.parametrize(
    ("event", "held", "seen"),
    [
        (events.MouseScrollUp, "ctrl", "finer"),
        (events.MouseScrollDown, "ctrl", "coarser"),
        (events.MouseScrollUp, "shift", "earlier"),
        (events.MouseScrollDown, "shift", "later"),
    ],
)
def test_the_wheel_zooms_with_ctrl_and_pans_with_shift(event, held, seen):
    async def turn(chart, pilot):
        await pilot.press("plus", "plus", "H", "H")
        before = chart.view
        keys = {"shift": held == "shift", "ctrl": held == "ctrl", "meta": False}
        chart.post_message(event(chart, 20, 4, 0, 0, 0, **keys))
        await pilot.pause()
        return before, chart.view

    before, after = drive(then=turn)
    changes = {
        "finer": after.exponent < before.exponent,
        "coarser": after.exponent > before.exponent,
        "earlier": after.start_s < before.start_s,
        "later": after.start_s > before.start_s,
    }
    assert [change for change, happened in changes.items() if happened and change == seen] == [seen]


def test_more_lanes_than_lines_scroll_under_the_axis():
    app = Chart(filled=False)

    async def fill(chart, pilot):
        chart.timeline.add([Span(lane=f"lane {i:02}", start_s=0, end_s=1, kind="tool") for i in range(40)])
        chart.changed()
        await pilot.press("left", *["down"] * 39)
        await pilot.pause()
        return [chart.render_line(y).text for y in range(chart.inner_height)]

    lines = drive(app=app, then=fill)
    assert "╷0s" in lines[0]
    assert lines[-2].startswith("lane 39")


def test_only_lanes_that_changed_are_drawn_again():
    async def add(chart, pilot):
        await pilot.press("space")
        await pilot.pause()
        chart.drawn.clear()
        chart.timeline.add([Span(lane="sql", start_s=30.0, end_s=33.0, kind="tool")])
        chart.changed()
        await pilot.pause()
        return set(chart.drawn), chart.inner_height

    drawn, height = drive(then=add)
    assert drawn == {2 + 2 * 2, height - 1}


def test_an_epoch_marked_on_the_timeline_appears_in_axis_and_lanes():
    async def mark(chart, pilot):
        await pilot.press("space")
        chart.timeline.mark(EpochMark(at_s=56.0, label="late"))
        chart.drawn.clear()
        chart.changed()
        await pilot.pause()
        idle = [line for y in range(2, 9) if (line := chart.render_line(y).text)]
        return chart.render_line(0).text, max(line.count("┊") for line in idle), chart.drawn >= {0, 2, 4}

    head, marks, drawn = drive(then=mark)
    assert "┊late" in head
    assert marks >= 1
    assert drawn


def test_a_timeline_can_be_shown_whole():
    async def swap(chart, pilot):
        other = Timeline()
        other.add([Span(lane="only", start_s=0, end_s=5, kind="load")])
        chart.show(other)
        await pilot.pause()
        return chart.render_line(1).text

    assert drive(then=swap).startswith("only")


async def prefill_beside_decode(chart, pilot):
    """Decode from 0 to 40 s, beside it prefill from 20 to 40 s, then prefill alone: lane, and legend."""
    chart.timeline.add([Span(lane="worker", start_s=0.0, end_s=40.0, kind="decode")])
    chart.timeline.add([Span(lane="worker", start_s=20.0, end_s=60.0, kind="prefill")])
    chart.changed()
    await pilot.pause()
    lane, legend = (chart.render_line(y).text for y in (1, chart.inner_height - 1))
    return re.sub(r"(.)\1+", r"\1", lane[chart.label_cells :]), legend


def test_prefill_beside_decode_is_told_from_either_alone(monkeypatch):
    lane, legend = drive(app=Chart(filled=False), size=(110, 8), then=prefill_beside_decode)
    assert re.fullmatch("█▝?▀▖?█▌? 10%", lane)
    assert "▀ mixed" in legend
    monkeypatch.setenv("NO_COLOR", "1")
    lane, legend = drive(app=Chart(filled=False), size=(110, 8), then=prefill_beside_decode)
    assert lane == "█▚▓ 10%"
    assert "▚ mixed" in legend


def test_hostile_names_are_shown_as_text():
    async def fill(chart, pilot):
        label = "\x1b]52;c;aGk=\x07[bold]x[/]\u202e"
        chart.timeline.add(
            [Span(lane="\x1b[31mred\u202e日本", start_s=0, end_s=60, kind="tool", label=label)]
        )
        chart.changed()
        await pilot.press("home", *["down"] * 9)
        await pilot.pause()
        return "\n".join(chart.render_line(y).text for y in range(chart.inner_height))

    screen = drive(then=fill)
    assert "red日本" in screen
    assert "tool [bold]x[/]" in screen
    assert "\x1b" not in screen
    assert "\u202e" not in screen


@pytest.mark.parametrize("width", [20, 21, 24, 33, 57, 240])
def test_every_line_is_as_wide_as_the_chart(width):
    async def widths(chart, _):
        return {chart.render_line(y).cell_length for y in range(chart.inner_height)}, chart.inner_width

    for keys in ([], ["home", "down", "plus"]):
        seen, inner = drive(*keys, size=(width, 12), then=widths)
        assert seen == {inner}


@pytest.mark.parametrize("theme", ["haloctl-dark", "haloctl-light"])
def test_gantt_looks(theme, snap_compare):
    snap_compare(Chart(theme), terminal_size=(80, 12))
    snap_compare(Chart(theme), terminal_size=(160, 20), press=("plus", "left", "left", "down"))


def test_gantt_without_colour(snap_compare, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    snap_compare(Chart(), terminal_size=(80, 12), press=("left", "left"))


def test_gantt_narrow_and_empty(snap_compare):
    snap_compare(Chart(), terminal_size=(24, 10), press=("home",))
    snap_compare(Chart(filled=False), terminal_size=(40, 8))
