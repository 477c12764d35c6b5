"""Every key of a run's screen, of its pages, widgets and dialogs, pressed, with what it does.

The keys come from the classes' own tables of bindings, so a binding that is added without a press here fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.ir.ids import OperatorId, WorkerId
from engine.wire.orders import CancelQuery, CancelRun, PauseRun, RequeueFailed, RestartWorker
from haloctl.graph.model import GraphNode, make_graph
from haloctl.tui.app import RunApp
from haloctl.tui.model import PAGES, Ended
from haloctl.tui.replay_source import ReplaySource
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.terminal_app import TerminalApp
from haloctl.tui.widgets.dag import DagView

Press = tuple[Any, ...]
"""See conftest.py."""


class Stage(NamedTuple):
    """What applications are made of."""

    recorded: Callable[..., Any]
    trace: Path
    around: Callable[..., Any]


class Alone(TerminalApp[None]):
    """One graph of so many operators that chains are folded."""

    def compose(self):
        nodes = [GraphNode(id=f"s{at}", label=f"step_{at}", kind="llm") for at in range(60)]
        yield DagView(make_graph(nodes, [(f"s{at}", f"s{at + 1}") for at in range(59)]))

    def on_mount(self):
        super().on_mount()
        self.query_one(DagView).focus()


OVER = Ended(words="exit code 3: done", go_on="haloctl resume r --retry-failed")


def live(stage):
    """A run that goes on."""
    return RunApp(stage.recorded(1.2), clock=lambda: 0.0)


def finished(stage):
    """All rows are done, some failed; the process still listens."""
    return RunApp(stage.recorded(9), clock=lambda: 0.0)


def over(stage):
    """A run that nobody carries out any more."""
    return RunApp(stage.recorded(9, OVER), clock=lambda: 0.0)


def over_in_a_session(stage):
    """The same, where the next question can be asked."""
    return stage.around(RunScreen(stage.recorded(9, OVER), lambda: 0.0, asked_again=True))


def replay(stage):
    """A run from its journal, whose clock stands."""
    return RunApp(ReplaySource(stage.trace, lambda: 0.0), clock=lambda: 0.0)


def folded(_stage):
    """A graph alone."""
    return Alone()


def known(value):
    return value is not None


def filtering(classes):
    return "-filtering" in classes


def not_filtering(classes):
    return "-filtering" not in classes


def keys(owner: str, action: str, names: str, what: str, then: Any, *between: str) -> tuple[Press, ...]:
    """Several keys of one binding: `between` them, what undoes it."""
    return tuple(
        (owner, action, key, what, then, *(between if at else ())) for at, key in enumerate(names.split(","))
    )


def there_and_back(owner: str, *ways: tuple[str, str, Any], what: str) -> tuple[Press, ...]:
    """Bindings of which each undoes the one before, once for each pair of their keys."""
    count = max(len(names.split(",")) for _action, names, _then in ways)
    found = []
    for at in range(count):
        for action, names, then in ways:
            split = names.split(",")
            found.append((owner, action, split[at % len(split)], what, then))
    return tuple(found)


PAGE_KEYS = (
    *(
        ("SteeredScreen", f"turn('{page}')", str(key), "view.page", page)
        for key, page in [*enumerate(PAGES[1:], 2), (1, "overview")]
    ),
    ("SteeredScreen", "back", "escape", "view.page", "logs"),
)
EVERYWHERE = (
    ("SteeredScreen", "app.focus_next", "tab", "focused.id", "lanes"),
    ("SteeredScreen", "app.focus_previous", "shift+tab", "focused.id", "graph"),
    ("SteeredScreen", "freeze", "space", "view.frozen", known),
    ("SteeredScreen", "copy", "y", "app.clipboard", "20261121-120000-demo", "space"),
    ("TerminalApp", "interrupted", "ctrl+c", "told", lambda said: "q leaves, the run goes on" in said[-1]),
    ("TerminalApp", "command_palette", "ctrl+p", "top", "CommandPalette"),
    ("SteeredScreen", "keys", "question_mark", "top", "KeysHelp", "escape"),
    *keys("KeysHelp", "dismiss", "escape,question_mark,q", "top", "RunScreen", "question_mark"),
    ("SteeredScreen", "pause", "p", "asked", PauseRun()),
    ("SteeredScreen", "requeue", "r", "asked", RequeueFailed()),
    ("SteeredScreen", "cancel", "c", "top", "Confirm"),
    *keys("Confirm", "app.focus_next", "left,right,h,l", "focused.id", "yes", "escape", "c"),
    *keys("Confirm", "answer(False)", "n,escape", "top", "RunScreen", "c"),
    ("Confirm", "answer(True)", "y", "asked", CancelRun(), "c"),
    ("SteeredScreen", "detach", "q", "app._exit", True),
)
TEXT = tuple(
    press
    for down, up, far_down, far_up in [("down", "up", "end", "home"), ("j", "k", "G", "g")]
    for press in (
        ("TextPanel", "scroll_down", down, "focused.scroll_offset.y", 1),
        ("TextPanel", "scroll_up", up, "focused.scroll_offset.y", 0),
        ("TextPanel", "scroll_end", far_down, "focused.is_vertical_scroll_end", True),
        ("TextPanel", "scroll_home", far_up, "focused.scroll_offset.y", 0),
    )
)
HELP_TEXT = (
    ("SteeredScreen", "keys", "question_mark", "top", "KeysHelp", "3"),
    *TEXT,
    ("TextPanel", "page_down", "pagedown", "focused.scroll_offset.y", lambda y: y > 4),
    ("TextPanel", "page_up", "pageup", "focused.scroll_offset.y", 0),
)
LOGS = (
    ("LogsPage", "follow", "f", "#lines.follows", False, "7"),
    ("LogsPage", "follow", "f", "#lines.follows", True),
    ("LogsPage", "filter", "slash", "LogsPage FilterLine.classes", filtering),
    ("LogsPage", "all", "escape", "LogsPage FilterLine.classes", not_filtering, *"slow", "enter"),
    # Lines that are followed as they come: whoever scrolls away from the end stops that.
    ("TextPanel", "scroll_home", "home", "#lines.follows", False, "shift+tab", "j", "tab"),
    ("TextPanel", "scroll_end", "end", "#lines.follows", True),
    ("TextPanel", "scroll_up", "up", "#lines.follows", False),
    ("TextPanel", "scroll_end", "G", "#lines.follows", True),
    ("TextPanel", "page_up", "pageup", "#lines.follows", False),
)
ORDERS_OF_PAGES = (
    ("WorkersPage", "restart", "R", "top", "Confirm", "2"),
    ("Confirm", "answer(True)", "y", "asked", RestartWorker(worker=WorkerId("left"))),
    ("QueriesPage", "requeue", "r", "asked", RequeueFailed(), "3"),
    ("QueriesPage", "cancel_row", "x", "top", "Confirm"),
    ("Confirm", "answer(True)", "y", "asked", CancelQuery(query="#0")),
    ("VTable", "open", "enter", "view.page", "query"),
    ("QueryPage", "requeue", "r", "asked", RequeueFailed(queries=("#0",))),
    ("QueryPage", "other(1)", "n", "view.query", 1),
    ("QueryPage", "other(1)", "n", "view.query", 2),
    ("QueryPage", "cancel_row", "x", "top", "Confirm"),
    ("Confirm", "answer(True)", "y", "asked", CancelQuery(query="#2")),
    ("QueryPage", "other(-1)", "N", "view.query", 1),
)
NEIGHBOURS = (
    ("DagView", "select", "enter", "view.operator", OperatorId("notes/topic")),
    ("OperatorPage", "other(1)", "n", "view.operator", OperatorId("notes/look_up")),
    ("OperatorPage", "other(1)", "n", "view.operator", OperatorId("notes/remark")),
    ("OperatorPage", "other(-1)", "N", "view.operator", OperatorId("notes/look_up")),
    ("VTable", "open", "enter", "view.page", "query", "3"),
    ("QueryPage", "operator", "o", "view.page", "operator", "j"),
)
DAG = (
    *there_and_back(
        "DagView",
        ("go('right')", "right,l", "notes/remark"),
        ("go('left')", "left,h", "notes/topic"),
        ("go('down')", "down,j", "notes/look_up"),
        ("go('up')", "up,k", "notes/topic"),
        ("edge(-1)", "end,G", "notes/answer"),
        ("edge(0)", "home,g", "notes/topic"),
        what="DagView.operator",
    ),
    ("DagView", "select", "enter", "view.operator", OperatorId("notes/topic")),
)
FOLDED = (
    ("DagView", "select", "enter", "DagView._opened", len, "right"),
    ("DagView", "fold", "z", "DagView._opened", frozenset()),
)
GANTT = (
    ("SteeredScreen", "app.focus_next", "tab", "focused.id", "lanes"),
    ("Gantt", "live", "space", "focused.live", False),
    ("Gantt", "live", "space", "focused.live", True),
    ("Gantt", "move(-1)", "left", "focused.cursor_s", known),
    ("Gantt", "leave", "escape", "focused.cursor_s", None),
    ("Gantt", "edge(-1)", "home", "focused.cursor_s", 0.0),
    *there_and_back(
        "Gantt",
        ("move(1)", "right,l", lambda at_s: at_s > 0),
        ("move(-1)", "left,h", 0.0),
        ("edge(1)", "end", lambda at_s: at_s > 1),
        ("edge(-1)", "home", 0.0),
        what="focused.cursor_s",
    ),
    *there_and_back("Gantt", ("lane(1)", "down,j", 1), ("lane(-1)", "up,k", 0), what="focused.cursor_lane"),
    *there_and_back(
        "Gantt",
        ("zoom(1)", "plus,equals_sign", 1 / 64),
        ("fit", "0", 1 / 32),
        ("zoom(-1)", "minus", 1 / 16),
        ("fit", "0", 1 / 32),
        what="focused.view.cell_s",
    ),
    *there_and_back(
        "Gantt",
        ("pan(1)", "shift+right,L", lambda start_s: start_s > 0),
        ("pan(-1)", "shift+left,H", 0.0),
        what="focused.view.start_s",
    ),
    ("Gantt", "select", "enter", "view.page", "operator", "0", "end", "down", "down", "down", "left"),
)
CHART = (
    ("SteeredScreen", "app.focus_next", "tab", "focused.id", "speed", "tab", "tab"),
    ("LineChart", "move(-1)", "left", "focused.cursor", 0),
    ("LineChart", "leave", "escape", "focused.cursor", None),
    ("LineChart", "edge(1)", "end", "focused.cursor", 0),
    *there_and_back(
        "LineChart",
        ("edge(-1)", "home", lambda cell: cell > 0),
        ("edge(1)", "end", 0),
        ("move(-1)", "left,h", 1),
        ("move(1)", "right,l", 0),
        what="focused.cursor",
    ),
)
TABLE = (
    ("SteeredScreen", "turn('queries')", "3", "view.page", "queries"),
    *there_and_back(
        "VTable",
        ("move(1)", "down,j", 1),
        ("move(-1)", "up,k", 0),
        ("page(1)", "pagedown,ctrl+d", lambda row: 10 < row < 39),
        ("page(-1)", "pageup,ctrl+u", 0),
        ("edge(1)", "end,G", 39),
        ("edge(-1)", "home,g", 0),
        what="focused.cursor",
    ),
    *there_and_back(
        "VTable", ("column(1)", "right,l", 1), ("column(-1)", "left,h", 0), what="focused.chosen_column"
    ),
    ("VTable", "sort", "s", "focused.sort", known),
    ("VTable", "follow", "f", "focused.follows", True, "s", "s"),
    ("FilterTable", "filter", "slash", "FilterTable FilterLine.classes", filtering, "home"),
    ("FilterTable", "clear", "escape", "focused.count", 40, *"q07", "enter"),
    ("VTable", "open", "enter", "view.query", 7),
)
OVER_KEYS = (
    (
        "SteeredScreen",
        "say_how",
        "r",
        "told",
        ["the run is over; haloctl resume r --retry-failed goes on with it"],
    ),
    ("SteeredScreen", "leave", "q", "app._exit", True),
)
REPLAY = (
    ("SteeredScreen", "play", "space", "view.replay.playing", False),
    ("SteeredScreen", "speed(2.0)", "greater_than_sign", "view.replay.speed", 2.0),
    ("SteeredScreen", "speed(0.5)", "less_than_sign", "view.replay.speed", 1.0),
    ("SteeredScreen", "skip(0.05)", "right_square_bracket", "view.replay.at_s", lambda at_s: 0 < at_s < 0.5),
    ("SteeredScreen", "skip(-0.05)", "left_square_bracket", "view.replay.at_s", 0.0),
    ("SteeredScreen", "step(False)", "full_stop", "view.replay.at_s", lambda at_s: at_s > 0),
    ("SteeredScreen", "step(True)", "right_curly_bracket", "view.shown.epochs", len),
    ("SteeredScreen", "leave", "q", "app._exit", True),
)


SCENES = {
    "pages": (live, PAGE_KEYS),
    "overview": (live, [("OverviewPage", "filter", "slash", "FilterTable FilterLine.classes", filtering)]),
    "everywhere": (live, EVERYWHERE),
    "quit": (live, [("App", "quit", "ctrl+q", "app._exit", True)]),
    "over": (over, OVER_KEYS),
    "ask again": (over_in_a_session, [("SteeredScreen", "ask_again", "q", "app.results", len)]),
    "text": (live, HELP_TEXT, (80, 24)),
    "logs": (live, LOGS, (120, 20)),
    "orders of pages": (live, ORDERS_OF_PAGES),
    "neighbours": (finished, NEIGHBOURS),
    "graph": (finished, DAG),
    "folded graph": (folded, FOLDED),
    "timeline": (finished, GANTT),
    "chart": (finished, CHART, (160, 46)),
    "table": (finished, TABLE, (120, 30)),
    "replay": (replay, REPLAY),
}
"""Name → the application, its presses one after another, and its size where that matters."""


def test_no_key_of_a_run_is_bound_that_is_not_pressed_here(bound):
    pressed = {press[:3] for _make, presses, *_size in SCENES.values() for press in presses}
    there_are = {(owner, action, key) for module, owner, action, key in bound if not before_a_run(module)}
    assert pressed - there_are == set()
    assert there_are - pressed == set()


def before_a_run(module):
    """Those have a test of their own."""
    return module.rpartition(".")[2].startswith(("first_run", "step_screen", "pick_table"))


@pytest.mark.parametrize("name", SCENES)
def test_each_key_of_a_run_does_what_it_is_bound_to(press_through, recorded, trace, around, name):
    make, presses, *size = SCENES[name]
    press_through(make(Stage(recorded, trace, around)), presses, *(size or [(120, 40)]))
