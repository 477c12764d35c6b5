"""The virtual table and its filter line under keys and mouse, in its goldens, drawing only what it must."""

from __future__ import annotations

import asyncio
import random
from typing import ClassVar

import pytest
from textual.app import App

from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.themes import STATES, THEMES
from haloctl.tui.widgets.filter_table import FilterTable
from haloctl.tui.widgets.table import VTable

COLUMNS = (
    Column(key="id", title="Query", width=8),
    Column(key="state", title="State", kind="state", width=9),
    Column(key="node", title="At", kind="choice", width=10),
    Column(key="tokens", title="Tokens", kind="count", width=7),
    Column(key="time", title="Time", kind="seconds", width=7),
    Column(key="text", title="Question"),
)


def made_rows(count: int = 500) -> RowTable:
    """Queries in every state, with and without tokens."""
    draw = random.Random(1)
    words = ["orders", "region", "ASIA", "which", "customer", "größe", "日本語", "[bold]"]
    table = RowTable(COLUMNS)
    table.extend(row_values(draw, words, range(count)))
    return table


def row_values(draw, words, numbers):
    """Columns of made-up queries."""
    return {
        "id": [f"#{i}" for i in numbers],
        "state": [draw.choice(list(STATES)) for _ in numbers],
        "node": [draw.choice(["extract", "answer", "merge"]) for _ in numbers],
        "tokens": [draw.choice([None, float(draw.randrange(5000))]) for _ in numbers],
        "time": [draw.random() * 9 for _ in numbers],
        "text": [" ".join(draw.choices(words, k=12)) for _ in numbers],
    }


class Queries(App[None]):
    """A screen of one table; `told` are the messages it sent."""

    BINDINGS: ClassVar = [("escape", "out", "Out")]

    def __init__(self, theme: str = "haloctl-dark", rows: RowTable | None = None) -> None:
        super().__init__()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme
        self.rows = rows
        self.told: list[tuple[str, int]] = []

    def compose(self):
        yield FilterTable(title="Queries", empty="No query has been read yet.")

    def on_mount(self):
        if self.rows is not None:
            self.query_one(FilterTable).show(self.rows)

    def on_vtable_highlighted(self, event: VTable.Highlighted) -> None:
        self.told.append(("highlighted", event.row))

    def on_vtable_selected(self, event: VTable.Selected) -> None:
        self.told.append(("selected", event.row))

    def action_out(self):
        self.told.append(("out", 0))


def drive(*keys, rows=500, size=(80, 20), then=None):
    """The app after `keys`; `then(app, pilot)` looks at it while it still runs."""

    async def run():
        app = Queries(rows=made_rows(rows) if isinstance(rows, int) else rows)
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            app.table = app.query_one(VTable)
            app.summary = app.query_one(FilterTable).summary()
            app.fault = app.query_one(FilterTable).fault
            app.lines = [app.table.render_line(y).text for y in range(app.table.inner_height)]
            app.focused_widget = app.focused
            app.lines_at_end = await then(app, pilot) if then else None
            return app

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["down"], 1),
        (["j", "j", "k"], 1),
        (["down", "up", "up"], 0),
        (["end"], 499),
        (["G", "g"], 0),
        (["end", "home"], 0),
        (["pagedown"], 15),
        (["ctrl+d", "pagedown", "pageup"], 15),
        (["end", "ctrl+u"], 484),
    ],
)
def test_cursor_keys(keys, cursor):
    app = drive(*keys)
    assert app.table.cursor == cursor
    assert any(line.startswith(f" #{cursor} ") for line in app.lines)
    if cursor:
        assert app.told[-1] == ("highlighted", cursor)


def test_sort_key_goes_up_down_and_off():
    def shown(app):
        return [app.table.rows.cells(app.table.row_at(i))[3] for i in range(20)]

    unsorted = drive()
    up = drive("right", "right", "l", "s")
    numbers = [int(text.replace(",", "")) for text in shown(up)]
    assert numbers == sorted(numbers)
    assert "Tokens▲" in up.lines[0]
    down = drive("right", "right", "right", "s", "s")
    numbers = [int(text.replace(",", "")) for text in shown(down)]
    assert numbers == sorted(numbers, reverse=True)
    assert down.summary == "500 rows · by Tokens ▼"
    assert shown(drive("right", "right", "right", "s", "s", "s")) == shown(unsorted)
    assert "Query▲" in drive("right", "h", "left", "s").lines[0]


def test_sorting_shows_the_first_and_filtering_keeps_the_row():
    assert drive("down", "down", "right", "right", "right", "s").table.cursor == 0
    app = drive(*["down"] * 30, "slash", *"#3", "enter")
    assert app.table.cursor_row == 30
    assert drive(*["down"] * 30, "slash", *"#4", "enter").table.cursor == 0


def test_whoever_looks_at_the_row_under_the_cursor_hears_when_a_filter_changes_it():
    assert drive("slash", "#", "4").told == [("highlighted", 4)]
    assert drive("slash", "#").told == []


def test_follow_stays_at_the_end_until_the_cursor_leaves():
    async def grow(app, pilot):
        app.rows.extend(row_values(random.Random(2), ["new"], range(500, 510)))
        app.table.changed()
        await pilot.pause()
        grown = app.table.cursor
        await pilot.press("up")
        await pilot.pause()
        return grown, app.table.follows, app.query_one(FilterTable).summary()

    app = drive("f", then=grow)
    assert app.summary == "500 rows · following"
    assert app.lines_at_end == (509, False, "510 rows")
    assert not drive("f", "f").table.follows


def test_enter_opens_the_row_under_the_cursor():
    assert drive("down", "down", "enter").told[-1] == ("selected", 2)
    assert drive("enter", rows=0).told == []


def test_a_filter_counts_while_one_types():
    app = drive("slash", *"state:failed")
    count = sum(app.rows.cells(row)[1] == "failed" for row in range(500))
    assert app.summary == f"{count} of 500"
    assert all("✖ failed" in line for line in app.lines[1:10])


def test_a_fault_is_told_and_what_stands_before_it_holds():
    app = drive("slash", *"state:failed tokens:>x")
    assert app.fault.message.startswith("tokens is a number")
    assert app.summary == drive("slash", *"state:failed").summary
    assert "tokens is a number" in app.table.border_subtitle


def test_a_misspelt_name_is_told_with_the_names_there_are():
    app = drive("slash", *"state:faild")
    assert app.summary == "0 of 500"
    assert "'faild' is no state, did you mean 'failed'? pending, queued" in app.table.border_subtitle
    app = drive("slash", *"node:merg,answr", "enter")
    assert "'answr' is no node, did you mean 'answer'?" in app.table.border_subtitle
    assert not drive("slash", *"state:faild", "escape").table.border_subtitle
    assert not drive("slash", *"state:faild", *["backspace"] * 2).table.border_subtitle


def test_a_name_is_no_longer_called_unknown_once_a_row_has_it():
    async def rename(app, pilot):
        before = str(app.table.border_subtitle)
        app.rows.put(3, {"node": "late"})
        app.table.changed([3])
        await pilot.pause()
        return before, app.table.count, str(app.table.border_subtitle)

    before, count, after = drive("slash", *"node:late", "enter", then=rename).lines_at_end
    assert "'late' is no node" in before
    assert (count, after) == (1, "")


def test_right_completes_the_name_of_a_column():
    async def value(app, _):
        return app.query_one(FilterTable).input.value

    assert drive("slash", *"-tok", "right", then=value).lines_at_end == "-tokens:"


def test_enter_keeps_the_filter_and_escape_takes_it_away_then_leaves():
    kept = drive("slash", *"asia", "enter")
    assert kept.focused_widget is kept.table
    assert " of 500" in kept.summary
    gone = drive("slash", *"asia", "enter", "escape")
    assert gone.summary == "500 rows"
    assert gone.told == []
    assert drive("slash", *"asia", "escape").summary == "500 rows"
    assert drive("escape").told == [("out", 0)]


def test_an_empty_filter_goes_away():
    app = drive("slash", "enter")
    assert app.focused_widget is app.table
    assert drive("slash", "enter", "escape").told == [("out", 0)]


def test_nothing_found_says_how_to_go_back():
    app = drive("slash", *"xyzxyz")
    assert any("Press esc to see all rows" in line for line in app.lines)
    assert app.summary == "0 of 500"
    assert app.table.cursor_row is None


def test_a_filtered_table_takes_in_new_rows_that_match():
    async def grow(app, pilot):
        before = app.table.count
        app.rows.extend(row_values(random.Random(2), ["ASIA"], range(500, 503)))
        app.rows.put(0, {"text": "asia asia"})
        app.table.changed([0])
        await pilot.pause()
        return before, app.table.count

    app = drive("slash", *"-nothing -asia", "enter", then=grow)
    before, after = app.lines_at_end
    assert after in (before, before - 1)
    app = drive("slash", *"asia", "enter", then=grow)
    before, after = app.lines_at_end
    assert after in (before + 3, before + 4)


def test_clicks_go_to_a_row_open_it_and_sort():
    async def click(app, pilot):
        await pilot.click(VTable, offset=(5, 5))
        await pilot.pause()
        moved = app.table.cursor
        await pilot.click(VTable, offset=(5, 5), times=2)
        await pilot.click(VTable, offset=(12, 1))
        await pilot.pause()
        return moved, app.table.sort

    app = drive(then=click)
    assert app.lines_at_end == (3, "state")
    assert ("selected", 3) in app.told


def test_columns_off_the_screen_come_in():
    app = drive(*["right"] * 5, size=(40, 10))
    assert "Question" in app.lines[0]
    assert "State" not in app.lines[0]
    assert app.lines[0].startswith(" Query")
    assert drive(*["right"] * 9, "s", size=(40, 10)).table.sort == "text"


def test_hostile_cells_are_shown_as_text():
    rows = RowTable(COLUMNS)
    hostile = "\x1b]52;c;aGk=\x07[red]x[/]\u202e日本\u200b" + "y" * 1_000_000
    rows.extend(
        {
            "id": ["a"],
            "state": [hostile],
            "node": [hostile],
            "tokens": [1.0],
            "time": [1.0],
            "text": [hostile],
        }
    )
    app = drive("slash", "y", rows=rows, size=(120, 8))
    screen = "\n".join(app.lines)
    assert "[red]x[/]日本yy" in screen
    assert "\x1b" not in screen
    assert "\u202e" not in screen


@pytest.mark.parametrize("width", [20, 21, 39, 40, 57, 240])
def test_every_line_of_a_table_is_as_wide_as_it(width):
    async def widths(app, _):
        return {app.table.render_line(y).cell_length for y in range(app.table.inner_height)} == {
            app.table.inner_width
        }

    assert drive("down", "right", "right", "s", size=(width, 10), then=widths).lines_at_end


def test_moving_draws_two_rows_and_a_change_draws_its_row():
    async def count(app, pilot):
        drawn = []
        original = app.table.render_line
        app.table.render_line = lambda y: drawn.append(y) or original(y)
        await pilot.press("down")
        await pilot.pause()
        moved = set(drawn)
        drawn.clear()
        app.rows.put(7, {"state": "failed"})
        app.table.changed([7, 400])
        await pilot.pause()
        return moved, set(drawn)

    assert drive(then=count).lines_at_end == ({1, 2}, {8})


def test_a_hundred_thousand_rows_are_read_only_where_they_are_seen():
    class Counted(RowTable):
        read = 0

        def cells(self, row):
            self.read += 1
            return super().cells(row)

    rows = Counted(COLUMNS)
    rows.extend(row_values(random.Random(1), ["a"], range(100_000)))
    app = drive("end", "pageup", "home", rows=rows)
    assert app.table.count == 100_000
    assert rows.read < 200


@pytest.mark.parametrize("theme", ["haloctl-dark", "haloctl-light"])
def test_table_looks(theme, snap_compare):
    snap_compare(Queries(theme, made_rows()), terminal_size=(80, 12), press=("down",))
    keys = ("right", "right", "right", "s", "slash", *"-state:done asia")
    snap_compare(Queries(theme, made_rows()), terminal_size=(160, 16), press=keys)


def test_table_without_colour(snap_compare, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    keys = ("slash", *"state:failed,running", "enter", "down")
    snap_compare(Queries(rows=made_rows()), terminal_size=(80, 12), press=keys)


def test_table_narrow_faulty_and_empty(snap_compare):
    snap_compare(Queries(rows=made_rows()), terminal_size=(24, 8), press=("down",))
    snap_compare(Queries(rows=made_rows()), terminal_size=(60, 8), press=("slash", *"stat:"))
    snap_compare(Queries(), terminal_size=(40, 6))
