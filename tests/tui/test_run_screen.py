"""The screen of a run under the keyboard: every page, every key, every order, and what the run tells."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from textual import events
from textual.app import App
from textual.binding import Binding
from textual.containers import ScrollableContainer
from textual.screen import Screen

from engine.ir.ids import WorkerId
from engine.live.state import LiveSnapshot, QueryStatus
from engine.wire.orders import (
    CancelQuery,
    CancelRun,
    ContinueRun,
    PauseRun,
    RequeueFailed,
    RestartWorker,
)
from haloctl.tui.app import RunApp
from haloctl.tui.keymap import binding_names, owners
from haloctl.tui.model import PAGES, Aftermath, Ended, Gone, Joined, Lost
from haloctl.tui.screens.dialogs import Confirm, KeysHelp
from haloctl.tui.screens.notice_panel import NoticePanel
from haloctl.tui.screens.page import PageView
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.terminal_app import TerminalApp
from haloctl.tui.widgets.chart import LineChart
from haloctl.tui.widgets.dag import DagView
from haloctl.tui.widgets.gantt import Gantt
from haloctl.tui.widgets.table import ReadTable, VTable

BROUGHT = tuple(Binding.make_bindings([*ScrollableContainer.BINDINGS, *Screen.BINDINGS, *App.BINDINGS]))
"""What every scrolling widget, screen and app of Textual bring along."""


def drive(source, *keys, size=(120, 40), then=None, keymap=None):
    """Press keys one after another, each when the screen has come to rest; then look."""

    async def run():
        app = RunApp(source, clock=lambda: 0.0, keys=keymap)
        async with app.run_test(size=size, notifications=True) as pilot:
            await begun(app, pilot)
            for key in keys:
                await pilot.press(key)
                await settled(app, pilot)
            return await then(app, pilot) if asyncio.iscoroutinefunction(then) else then and then(app)

    return asyncio.run(run())


async def begun(app, pilot):
    """Until the first page stands, behind the first picture, and what the source tells at once is on it."""
    while screen(app).page is None or not any(worker.group == "source" for worker in app.workers):
        await pilot.pause(0.01)
    await pilot.pause(0.1)


async def settled(app, pilot):
    """Until nothing is being read for the page that is seen."""
    await pilot.pause()
    while reading := [worker for worker in app.workers if worker.group in ("rows", "path", "nodes")]:
        await app.workers.wait_for_complete(reading)
        await pilot.pause()
    await pilot.pause()


def screen(app) -> RunScreen:
    return next(found for found in app.screen_stack if isinstance(found, RunScreen))


def page(app) -> PageView:
    found = screen(app).page
    assert found is not None
    return found


def shown(app, selector="TextPanel") -> str:
    panel = page(app).query_one(selector, TextPanel)
    return "\n".join("".join(piece.text for piece in line) for line in panel.lines)


def test_number_keys_turn_to_every_page_and_each_takes_the_focus(recorded):
    async def look(app, pilot):
        for at, name in enumerate(PAGES, 1):
            await pilot.press(str(at))
            await settled(app, pilot)
            assert screen(app).view.page == name
            assert page(app).display
            assert app.focused is not None
            assert page(app) in app.focused.ancestors

    drive(recorded(), then=look)


def test_escape_leads_back_the_way_one_came_and_stops_at_the_first_page(recorded):
    def look(app):
        assert screen(app).view.page == "overview"

    drive(recorded(), "3", "6", "escape", "escape", "escape", "escape", then=look)


def test_enter_in_the_graph_opens_the_operator_with_its_calls(recorded):
    def look(app):
        assert screen(app).view.operator == "notes/topic"
        assert shown(app, "#facts").startswith("topic")
        assert page(app).query_one(VTable).count > 0

    drive(recorded(9), "enter", then=look)


def test_enter_on_a_row_opens_its_path_and_the_steps_can_be_read(recorded):
    def look(app):
        assert screen(app).view.query == 2
        assert page(app).query_one(VTable).count == 5
        assert "notes/topic" in shown(app, "#step")
        assert "Prompt: user" in shown(app, "#step")

    drive(recorded(9), "3", "j", "j", "enter", "j", then=look)


@pytest.mark.parametrize(("way", "at"), [("n", 1), ("n n", 2), ("n n N", 1), ("n N N", 0)])
def test_neighbouring_rows_and_operators_are_a_key_away(recorded, way, at):
    source = recorded(9)
    operators = [each.id for each in source.updates[0].state.operators]

    def look(app):
        assert (screen(app).view.page, screen(app).view.query) == ("query", at)

    drive(source, "3", "enter", *way.split(), then=look)

    def look_again(app):
        assert (screen(app).view.page, screen(app).view.operator) == ("operator", operators[at])

    drive(source, "enter", *way.split(), then=look_again)


def test_from_a_step_to_its_operator_and_from_a_call_to_its_row(recorded):
    def look(app):
        assert screen(app).view.page == "query"
        assert screen(app).view.query == 0

    drive(recorded(9), "3", "enter", "j", "o", "enter", then=look)


def test_the_filter_of_the_rows_counts_what_it_finds(recorded):
    def look(app):
        table = page(app).query_one(VTable)
        assert 0 < table.count < table.rows.count
        assert {table.rows.cells(table.row_at(at))[1] for at in range(table.count)} == {"failed"}

    drive(recorded(9), "3", "slash", *"state", "colon", *"failed", "enter", then=look)


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ("p", PauseRun()),
        ("r", RequeueFailed()),
        ("3 r", RequeueFailed()),
        ("3 x y", CancelQuery(query="#0")),
        ("3 enter x y", CancelQuery(query="#0")),
        ("3 enter r", RequeueFailed(queries=("#0",))),
        ("2 R y", RestartWorker(worker=WorkerId("left"))),
        ("c y", CancelRun()),
    ],
)
def test_orders_are_given_and_answered(recorded, keys, order):
    source = recorded(1.2)
    words = []

    async def look(app, pilot):
        await pilot.pause(0.1)
        assert source.asked == [order]
        words.extend(note.message for note in app._notifications)

    drive(source, *keys.split(), then=look)
    assert words == [f"did {type(order).__name__}"]


def test_a_failed_row_is_requeued_by_itself(recorded, state_at):
    failed = next(at for at, code in enumerate(state_at(2.2).queries) if code == 4)
    source = recorded(2.2)

    async def look(app, pilot):
        await pilot.pause(0.1)
        assert source.asked == [RequeueFailed(queries=(f"#{failed}",))]

    drive(source, "3", *["j"] * failed, "r", then=look)


def test_orders_that_come_too_late_are_answered_with_how_to_go_on(recorded):
    source = recorded(9, Ended(words="exit code 3: done", go_on="haloctl resume demo --retry-failed"))

    def look(app):
        assert [note.message for note in app._notifications] == [
            "the run is over; haloctl resume demo --retry-failed goes on with it"
        ]
        usable = {found.binding.id for found in app.screen.active_bindings.values() if found.enabled}
        again, leave = (app.screen.active_bindings[key] for key in "rq")
        assert again.binding.description == "How to go on"
        assert (leave.binding.description, leave.binding.tooltip) == ("Leave", "Leave this view")
        assert app.screen.leaving == "q leaves"
        assert not {"queries.requeue", "queries.cancel", "run.pause", "run.cancel"} & usable
        assert source.asked == []

    drive(source, "3", "x", "r", then=look)


class InASession(TerminalApp):
    """A run that was begun from a question, and leads to the next one."""

    def __init__(self, source):
        super().__init__()
        self._source = source

    def on_mount(self):
        self.push_screen(RunScreen(self._source, lambda: 0.0, asked_again=True), callback=self.exit)


@pytest.mark.parametrize(
    ("at_s", "news", "way_out"),
    [
        (1.2, (), ("Detach", "Leave; the run goes on")),
        (9, (), ("Ask again", "To the next question")),
        (9, (Ended(words="exit code 0: done"),), ("Ask again", "To the next question")),
        (1.2, (Gone(aftermath=Aftermath(words="killed")),), ("Ask again", "To the next question")),
    ],
    ids=["running", "finished", "over", "gone"],
)
def test_in_a_session_q_says_that_it_leads_from_an_ended_run_to_the_next_question(
    recorded, at_s, news, way_out
):
    async def run():
        app = InASession(recorded(at_s, *news))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await begun(app, pilot)
            keys = [each.binding for each in app.screen.active_bindings.values() if each.binding.key == "q"]
            assert [(key.description, key.tooltip) for key in keys] == [way_out]
            said = "q leaves, the run" if way_out[0] == "Detach" else "q leads to the next question"
            assert app.screen.leaving.startswith(said)
            await pilot.press("q")
            await pilot.pause(0.1)
        return app.return_value

    assert asyncio.run(run()) is not None


def test_a_paused_run_is_told_to_go_on(recorded, state_at):
    from msgspec.structs import replace

    state = state_at(1.2)
    source = recorded(1.2)
    paused = replace(state, totals=replace(state.totals, doing="paused"))
    source.updates = (Joined(run="r", directory=source.updates[0].directory, state=paused),)

    async def look(app, pilot):
        await pilot.pause(0.1)
        assert source.asked == [ContinueRun()]

    drive(source, "p", then=look)


@pytest.mark.parametrize("answer", ["n", "escape", "enter"])
def test_nothing_is_cancelled_without_a_clear_yes(recorded, answer):
    source = recorded()

    async def look(app, pilot):
        await pilot.pause(0.1)
        assert not isinstance(app.screen, Confirm)
        assert source.asked == []

    drive(source, "c", answer, then=look)


def test_a_yes_can_be_given_with_the_arrows(recorded):
    source = recorded()

    async def look(app, pilot):
        await pilot.pause(0.1)
        assert source.asked == [CancelRun()]

    drive(source, "c", "right", "enter", then=look)


def test_help_tells_the_keys_of_the_widget_in_focus_first_and_goes_away(recorded):
    def look(app):
        assert isinstance(app.screen, KeysHelp)
        text = "\n".join("".join(p.text for p in line) for line in app.screen.query_one(TextPanel).lines)
        assert text.startswith("Table")
        assert "End this row now, as failed" in text
        assert "Leave; the run goes on" in text

    drive(recorded(), "3", "question_mark", then=look)
    drive(recorded(), "question_mark", "escape", then=lambda app: isinstance(app.screen, RunScreen) or 1 / 0)


def test_every_binding_has_an_id_and_says_what_it_does():
    every = [
        (owner.__name__, binding)
        for owner in owners()
        for binding in Binding.make_bindings(vars(owner)["BINDINGS"])
    ]
    assert {"TerminalApp", "SteeredScreen", "WorkflowsScreen", "Confirm", "Gantt"} <= {
        name for name, _ in every
    }
    assert [each for each in every if not each[1].id or not each[1].tooltip] == []


def test_every_binding_in_force_is_one_that_the_users_keys_know(recorded):
    known = binding_names()
    seen = set()

    async def look(app, pilot):
        for at in range(1, 8):
            await pilot.press(str(at))
            await settled(app, pilot)
            for found in app.screen.active_bindings.values():
                binding = found.binding
                ours = type(found.node).__module__.startswith("haloctl")
                if (
                    ours
                    and not binding.system
                    and binding not in BROUGHT
                    and binding.action != "command_palette"
                ):
                    assert binding.id in known, binding
                    seen.add(binding.id)

    drive(recorded(), then=look)
    assert {"run.pause", "queries.cancel", "workers.restart", "logs.follow", "table.sort", "dag.open"} <= seen


def test_the_palette_offers_every_action_of_the_page(recorded):
    def look(app):
        offered = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert {"Pause", "Cancel run", "Restart", "Sort", "Requeue", "Detach", "Keys"} <= set(offered)
        assert offered["Pause"] == "p · Pause the run, or let it go on"
        assert offered["Keys"] == "? · The keys that mean something here"

    drive(recorded(), "2", then=look)


@pytest.mark.parametrize("keys", [("6",), ("2", "tab", "tab", "tab")])
def test_enter_is_not_offered_where_there_is_nothing_to_open(recorded, keys):
    def look(app):
        assert type(app.focused) is ReadTable
        usable = {found.binding.id for found in app.screen.active_bindings.values() if found.enabled}
        assert "table.sort" in usable
        assert "table.open" not in usable

    drive(recorded(9), *keys, size=(160, 46), then=look)


def test_the_users_own_keys_take_the_place_of_ours(recorded):
    source = recorded()

    async def look(app, pilot):
        await pilot.pause(0.1)
        assert source.asked == [PauseRun()]

    drive(source, "p", "f5", then=look, keymap={"run.pause": "f5"})


def test_the_users_own_key_for_leaving_leaves_what_is_over_too(recorded):
    async def run(source):
        app = RunApp(source, clock=lambda: 0.0, keys={"run.detach": "f4"})
        async with app.run_test(size=(100, 30)) as pilot:
            await begun(app, pilot)
            await pilot.press("q")
            assert app.return_value is None
            await pilot.press("f4")
            await pilot.pause(0.1)
        return app.return_value

    assert asyncio.run(run(recorded(1.2))) is not None
    assert asyncio.run(run(recorded(9, Ended(words="exit code 0: done", go_on="")))) is not None


def test_q_leaves_with_the_last_view(recorded):
    async def run():
        app = RunApp(recorded(1.2), clock=lambda: 0.0)
        async with app.run_test(size=(100, 30)) as pilot:
            await begun(app, pilot)
            await pilot.press("q")
            await pilot.pause(0.1)
        return app.return_value

    view = asyncio.run(run())
    assert view is not None
    assert view.live.totals.rows_total == 40


def test_ctrl_c_says_what_leaves_and_what_cancels(recorded):
    def look(app):
        assert [note.message for note in app._notifications] == [
            "q leaves, the run goes on; c cancels the run"
        ]

    drive(recorded(), "ctrl+c", then=look)


def test_a_still_view_is_marked_and_goes_along_again(recorded):
    drive(recorded(), "2", "space", then=lambda app: screen(app).view.frozen is not None or 1 / 0)
    drive(recorded(), "2", "space", "escape", then=lambda app: screen(app).view.frozen is None or 1 / 0)


def test_the_gantt_keeps_space_for_itself(recorded):
    def look(app):
        assert screen(app).view.frozen is None
        assert not page(app).query_one(Gantt).live

    drive(recorded(), "tab", "space", then=look)


def test_enter_on_the_timeline_opens_the_operator_of_the_span(recorded):
    def look(app):
        assert screen(app).view.operator == "notes/look_up"

    drive(recorded(), "tab", "down", "down", "down", "left", "enter", then=look)


def test_y_copies_what_the_page_is_about(recorded):
    drive(recorded(9), "enter", "y", then=lambda app: app.clipboard.startswith("topic") or 1 / 0)
    drive(recorded(9), "3", "y", then=lambda app: "q00" in app.clipboard or 1 / 0)
    drive(recorded(9), "1", "y", then=lambda app: app.clipboard == "20261121-120000-demo" or 1 / 0)


def test_losing_the_run_dims_the_page_and_says_so_until_it_is_back(recorded, trace, state_at):
    source = recorded(1.2, Lost(words="the connection ended"))

    async def look(app, pilot):
        notice = app.screen.query_one(NoticePanel)
        assert notice.display
        assert app.screen.has_class("stale")
        source.tell(Joined(run="r", directory=str(trace), state=state_at(1.2)))
        await pilot.pause(0.2)
        assert not notice.display
        assert not app.screen.has_class("stale")

    drive(source, then=look)


def test_a_run_that_is_gone_leaves_its_last_words_and_the_command_to_go_on(recorded):
    gone = Gone(
        aftermath=Aftermath(words="it was killed", log=("last [bold]words[/]",), go_on="haloctl resume demo")
    )

    def look(app):
        text = "\n".join("".join(p.text for p in line) for line in app.screen.query_one(NoticePanel).lines)
        assert "it was killed" in text
        assert "last [bold]words[/]" in text
        assert "haloctl resume demo" in text

    drive(recorded(1.2, gone), "3", then=look)


def test_rows_of_a_run_that_was_killed_are_pending_and_found_as_such(recorded):
    gone = Gone(aftermath=Aftermath(words="it was killed"))

    async def look(app, pilot):
        table = page(app).query_one(VTable)
        states = Counter(table.rows.cells(row)[1] for row in range(table.rows.count))
        assert (states["running"], states["pending"] > 0, states["done"] > 0) == (0, True, True)
        await pilot.press("slash", *"state", "colon", *"pending", "enter")
        await settled(app, pilot)
        assert table.count == states["pending"]

    assert QueryStatus.RUNNING in recorded(1.2).updates[0].state.queries
    drive(recorded(1.2, gone), "3", then=look)


def test_before_anything_came_the_pages_say_what_will_come(recorded):
    source = recorded()
    source.updates = (Lost(words="the run has not begun to listen"),)

    def look(app):
        assert "has not begun" in str(app.screen.query_one(NoticePanel).lines)
        assert app.screen.view.link == "connecting"

    drive(source, *"1234567", then=look)


def test_small_screens_and_empty_runs_draw_every_page(recorded, trace):
    source = recorded()
    source.updates = (Joined(run="r", directory=str(trace), state=LiveSnapshot()),)
    drive(source, *"1234567", size=(40, 12))
    for size in ((20, 8), (240, 70)):
        drive(recorded(9), *"1234567", size=size)


def test_on_a_large_screen_the_workers_page_fills_its_room_with_charts(recorded):
    async def look(app, pilot):
        found = page(app)
        await pilot.pause()
        charts, queues = list(found.query(LineChart)), found.query_one("#queues", VTable)
        running, lanes = found.query_one("#running"), found.query_one(Gantt)
        assert len(charts) == 3
        assert all(chart.region.height >= 6 and chart.region.width > 80 for chart in charts)
        assert queues.region.height == queues.count + 3
        assert lanes.region.height == 2 * len(lanes.timeline.lanes) + 5
        assert charts[-1].region.bottom == running.region.bottom

    drive(recorded(2.2), "2", size=(240, 70), then=look)

    def small(app):
        assert not any(chart.region for chart in page(app).query(LineChart))

    drive(recorded(2.2), "2", size=(160, 43), then=small)


def test_text_stands_a_cell_away_from_its_border(recorded):
    async def look(app, pilot):
        for key, selector in (("7", "#lines"), ("6", "#totals"), ("2", "#log")):
            await pilot.press(key)
            await settled(app, pilot)
            panel = page(app).query_one(selector, TextPanel)
            assert panel.lines
            strips = [strip.text for strip in panel.render_lines(panel.outer_size.region)]
            assert {text[1] for text in strips[1:-1]} == {" "}, strips
            assert any(text[2] != " " for text in strips[1:-1])

    drive(recorded(9), size=(160, 46), then=look)


def test_keys_behind_one_that_turns_the_page_mean_what_they_mean_there(recorded):
    async def look(app, pilot):
        for key in ("3", "j", "j", "2", "3", "j"):
            app.post_message(events.Key(key, key))
        for _ in range(500):
            await pilot.pause(0.01)
            found = screen(app).page
            if found is not None and found.id == "page-queries" and found.query_one(VTable).cursor == 3:
                return
        raise AssertionError(f"{screen(app).view.page}: {page(app).query_one(VTable).cursor}")

    drive(recorded(9), then=look)


def test_the_focus_is_where_it_was_when_one_comes_back_to_a_page(recorded):
    drive(recorded(), "tab", "3", "1", then=lambda app: isinstance(app.focused, Gantt) or 1 / 0)
    drive(recorded(), "3", "1", then=lambda app: isinstance(app.focused, DagView) or 1 / 0)


LEFT_LOG = ("7", "shift+tab", "j", "tab")
"""Keys to the lines that the worker `left` wrote: above it in the list stands the run itself."""


def test_the_log_page_begins_with_what_happened_in_the_run(recorded):
    def look(app):
        said = shown(app, "#lines")
        assert "begins" in said
        assert "left is ready" in said
        assert str(page(app).query_one("#lines").border_title).startswith("run · ")

    drive(recorded(9), "7", then=look)


def test_the_log_page_follows_filters_and_stops_when_one_scrolls_up(recorded):
    def filtered(app):
        assert shown(app, "#lines").splitlines() == ["warning: slow disk"]

    drive(recorded(), *LEFT_LOG, "slash", *"slow", "enter", then=filtered)

    async def scrolled(app, pilot):
        await pilot.press("pageup")
        await pilot.pause(0.6)
        assert "following" not in str(page(app).query_one("#lines").border_title)

    drive(recorded(), *LEFT_LOG, size=(100, 20), then=scrolled)
    drive(recorded(), *LEFT_LOG, then=lambda app: "\x1b" not in shown(app, "#lines") or 1 / 0)


def test_a_worker_opened_from_its_table_shows_its_log(recorded):
    def look(app):
        assert screen(app).view.worker == "left"
        assert "error: red" in shown(app, "#lines")

    drive(recorded(), "2", "enter", then=look)


def test_a_run_that_ended_while_one_looked_is_over(recorded):
    source = recorded(9, Ended(words="exit code 0: done", go_on=""))
    assert drive(source, then=lambda app: screen(app).view.link) == "over"
