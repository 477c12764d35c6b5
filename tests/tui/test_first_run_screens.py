"""The screens before a run, one by one: every key, every state, and what they look like."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from engine.ir.ids import OperatorId, RunId, WorkerId
from engine.ir.result import Failure, QueryResult
from haloctl.config import load_settings
from haloctl.offers import Offer, examine, find_offers
from haloctl.session.proposal import OperatorWork, Proposal
from haloctl.session.wire import Begun, Proposed, Refused
from haloctl.tui.draft import Draft, first_draft
from haloctl.tui.first_run_words import answer_lines
from haloctl.tui.key_order import OrderedKeys
from haloctl.tui.pieces import plain_text
from haloctl.tui.screens.dialogs import KeysHelp
from haloctl.tui.screens.first_run_file import ChooseColumn, FilePane
from haloctl.tui.screens.first_run_proposal import ProposalScreen
from haloctl.tui.screens.first_run_queries import QueriesScreen
from haloctl.tui.screens.first_run_typed import TypedPane
from haloctl.tui.screens.first_run_workflows import WorkflowsScreen
from haloctl.tui.screens.folding_panel import FoldingPanel
from haloctl.tui.themes import THEMES
from haloctl.tui.widgets.dag import DagView
from haloctl.tui.widgets.table import VTable
from haloctl.workflow_files import Workflow

ASK = """
workflow: ask
inputs:
  question: {type: string, description: What to ask.}
  year: {type: integer, required: false, description: A year to keep to.}
models: {m: toy, n: other}
operators:
  keyword: {kind: llm, model: m, prompt: "Keyword of: {{ question }}", max_tokens: 8}
  place: {kind: llm, model: m, prompt: "Place of: {{ question }}", max_tokens: 8}
  answer:
    kind: llm
    model: n
    prompt: "Q: {{ question }} in {{ year }} K: {{ keyword }} P: {{ place }}"
    max_tokens: 12
outputs: {keyword: "{{ keyword }}", answer: "{{ answer }}"}
"""
BROKEN = ASK.replace("workflow: ask", "workflow: broken").replace("m: toy", "m: nowhere")
SETTINGS = '[models.toy]\nbackend = "echo"\n[models.other]\nbackend = "echo"\n'
TABLE = "id,question,year\n1,What is up?,1997\n2,What is down?,\n"
SIZES = [(80, 24), (160, 46)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("haloctl.toml", SETTINGS),
        ("ask.yaml", ASK),
        ("broken.yaml", BROKEN),
        ("ask.csv", TABLE),
        ("text.csv", "words,colour\nWhat is up?,red\n"),
    ):
        (tmp_path / name).write_text(text)
    return tmp_path


class Harness(OrderedKeys[None]):
    """One screen; what it is dismissed with is kept."""

    def __init__(self, screen: Screen[Any], theme: str = "haloctl-dark") -> None:
        super().__init__()
        self._shown = screen
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme
        self.results: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._shown, self.results.append)


def drive(screen: Screen[Any], steps: Callable[[Harness, Pilot[None]], Awaitable[None]]) -> list[Any]:
    """Show a screen, let `steps` press keys, and return what the screen was dismissed with."""

    async def run() -> list[Any]:
        app = Harness(screen)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            await steps(app, pilot)
            await pilot.pause()
            return app.results

    return asyncio.run(run())


async def settled(pilot: Pilot[Any]) -> None:
    """Files were read, workflows examined, and no cursor blinks."""
    await pilot.app.workers.wait_for_complete()
    for field in pilot.app.screen.query(Input):
        field.cursor_blink = False
    await pilot.pause()


def offers() -> tuple[Offer, ...]:
    """The folder's own two, and one shipped one, by paths that are the same on every machine."""
    return tuple(
        Offer(
            name=offer.name,
            path=Path(offer.path).name,
            description=offer.description,
            table=offer.table and Path(offer.table).name,
        )
        for offer in find_offers(Path.cwd())
        if not offer.shipped
    )


def workflows_screen() -> WorkflowsScreen:
    settings = load_settings().settings
    return WorkflowsScreen(offers(), lambda offer: examine(offer, settings))


def workflow() -> Workflow:
    found = examine(offers()[0], load_settings().settings).workflow
    assert found is not None
    return found


def queries_screen(**fields: Any) -> QueriesScreen:
    return QueriesScreen(workflow().plan, Draft(output="answers.jsonl", **fields))


PROPOSAL = Proposal(
    number=3,
    workflows=("ask",),
    queries=64,
    rejected=2,
    faults=("line 7: column 'year' holds no whole number: 'soon'", "line 9: it is no JSON"),
    windowed=False,
    operators=(
        OperatorWork(operator=OperatorId("ask/keyword"), kind="llm", runs_on="toy", calls=64, distinct=40),
        OperatorWork(operator=OperatorId("ask/facts"), kind="sql", runs_on="sql", calls=64, distinct=12),
        OperatorWork(operator=OperatorId("ask/answer"), kind="llm", runs_on="other", calls=64, distinct=64),
    ),
    epochs=3,
    model_loads=1,
    estimate_s=12.4,
    measured=False,
    workers=(WorkerId("cpu"),),
    warm=(("cpu", "toy"),),
    output="/home/ada/answers.jsonl",
    explained="\n".join(f"line {n} of the plan" for n in range(60)),
)
BEGUN = Begun(number=4, run=RunId("r"), directory="/runs/r")
REFUSED = Refused(
    number=3,
    code="input",
    message="questions.csv has no column 'question'; it has: id, text",
    fix="add the column, or feed it from another",
    exit_code=65,
)


NO_ROOM = Refused(
    number=4,
    code="output",
    message="answers.jsonl is there already, and nothing is written over",
    fix="choose another file for the answers",
    exit_code=73,
)


def proposal_screen(answer: Proposed | Refused, begun: Begun | Refused = BEGUN) -> ProposalScreen:
    async def ask() -> Proposed | Refused:
        return answer

    async def begin(_number: int) -> Begun | Refused:
        return begun

    return ProposalScreen("ask", ask, begin)


PROPOSED = Proposed(number=3, proposal=PROPOSAL)


# --- workflows --------------------------------------------------------------------------------------


def test_enter_chooses_the_workflow_under_the_cursor(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("enter")

    [(offer, examined)] = drive(workflows_screen(), steps)
    assert offer.name == "ask"
    assert examined.workflow is not None


def test_a_workflow_that_cannot_run_is_not_chosen(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press("down", "enter")

    assert drive(workflows_screen(), steps) == []


@pytest.mark.parametrize("key", ["escape", "q"])
def test_leaving_the_workflows_chooses_none(folder: Path, key: str):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(key)

    assert drive(workflows_screen(), steps) == [None]


def test_tab_goes_from_pane_to_pane(folder: Path):
    seen: list[str | None] = []

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        for _ in range(3):
            assert app.focused is not None
            seen.append(app.focused.id)
            await pilot.press("tab")

    drive(workflows_screen(), steps)
    assert seen == ["offers", "graph", "about"]


@pytest.mark.parametrize("key", ["f1", "question_mark"])
def test_a_key_tells_the_keys(folder: Path, key: str):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, KeysHelp)
        await pilot.press("escape", "escape")

    assert drive(workflows_screen(), steps) == [None]


def test_what_a_workflow_does_is_shown_though_it_cannot_run_here(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press("down")
        await settled(pilot)
        about = plain_text(app.screen.query_one("#about", FoldingPanel).lines)
        assert "no model 'nowhere'" in about
        assert "What to ask." in about
        graph = app.screen.query_one(DagView).graph
        assert [node.label for node in graph.nodes] == ["keyword", "place", "answer"]

    drive(workflows_screen(), steps)


@pytest.mark.parametrize("key", ["s", "f"])
def test_a_list_to_choose_from_is_neither_sorted_nor_followed(folder: Path, key: str):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        table = app.screen.query_one("#offers", VTable)
        await pilot.press(key)
        assert (table.sort, table.follows) == (None, False)
        usable = {found.binding.id for found in app.screen.active_bindings.values() if found.enabled}
        assert "table.down" in usable
        assert not {"table.sort", "table.follow"} & usable

    drive(workflows_screen(), steps)


# --- typed queries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["why\nhow\nwhen", "why\nhow\nwhen\n"])
def test_keys_that_come_faster_than_they_are_handled_make_the_same_queries(folder: Path, typed: str):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        for character in typed:
            key = "enter" if character == "\n" else character
            app.post_message(events.Key(key, character))
        await settled(pilot)
        await pilot.press("ctrl+g")

    [(plan_it, draft)] = drive(queries_screen(), steps)
    assert plan_it
    assert draft.typed == ({"question": "why"}, {"question": "how"}, {"question": "when"})


def burst(app: Harness, typed: str) -> None:
    """Keys that all wait when the first of them is handled."""
    named = {"\r": "enter", "\t": "tab", "\x08": "backspace"}
    for character in typed:
        app.post_message(events.Key(named.get(character, character), character))


@pytest.mark.parametrize(
    ("typed", "rows", "left"),
    [
        ("why\t1997\rhow\t1998\rwhen\r", [("why", 1997), ("how", 1998), ("when", None)], ("", "")),
        ("why\t1997\rhowx\x08", [("why", 1997)], ("how", "")),
        ("\rwhy\t19\r", [("why", 19)], ("", "")),
        ("\t1997\rwhy\rhow", [("why", 1997)], ("how", "")),
        ("why\tsoon\rx\r", [], ("why", "soonx")),
    ],
)
def test_keys_behind_an_enter_or_a_tab_land_in_the_field_it_leads_to(
    folder: Path, typed: str, rows: list[tuple[str, int | None]], left: tuple[str, str]
):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        burst(app, typed)
        pane = app.screen.query_one(TypedPane)
        for _ in range(500):
            await pilot.pause(0.01)
            if tuple(pane.texts.values()) == left and len(pane.rows) == len(rows):
                break
        await settled(pilot)
        assert [(row["question"], row.get("year")) for row in pane.rows] == rows
        assert tuple(pane.texts.values()) == left

    drive(queries_screen(), steps)


def test_pasted_lines_are_queries_and_an_unfinished_one_stays_in_the_form(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        app.post_message(events.Paste("why\r\n\r\nhow\nwhen"))
        await settled(pilot)
        await pilot.press("escape")

    [(_plan_it, draft)] = drive(queries_screen(), steps)
    assert draft.typed == ({"question": "why"}, {"question": "how"})
    assert dict(draft.texts)["question"] == "when"


def test_pasting_stops_at_a_line_that_does_not_fit(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(*"why", "tab")
        app.post_message(events.Paste("soon\n1999\n"))
        await settled(pilot)
        await pilot.press("escape")

    [(_plan_it, draft)] = drive(queries_screen(), steps)
    assert draft.typed == ()
    assert dict(draft.texts) == {"question": "why", "year": "soon"}


def test_enter_adds_queries_and_enter_on_an_empty_form_goes_on(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(*"why", "tab", *"1997", "enter", *"how", "enter", "enter")

    [(plan_it, draft)] = drive(queries_screen(), steps)
    assert plan_it
    assert draft.typed == ({"question": "why", "year": 1997}, {"question": "how"})
    assert (draft.kind, draft.output) == ("typed", "answers.jsonl")


def test_what_does_not_fit_is_told_at_its_field_and_not_added(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        pane = app.screen.query_one(TypedPane)
        assert pane.rows == []
        await pilot.press(*"why", "tab", *"soon", "enter")
        assert pane.rows == []
        assert pane.texts == {"question": "why", "year": "soon"}
        assert app.focused is list(pane.query(Input))[1]

    assert drive(queries_screen(), steps) == []


def test_a_typed_query_can_be_taken_back_or_out(folder: Path):
    rows = ({"question": "one"}, {"question": "two", "year": 3})

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        pane = app.screen.query_one(TypedPane)
        app.screen.query_one("#typed").focus()
        await pilot.press("down", "enter")
        assert pane.texts == {"question": "two", "year": "3"}
        app.screen.query_one("#typed").focus()
        await pilot.press("delete")
        assert pane.rows == []
        await pilot.press("escape")

    [(plan_it, draft)] = drive(queries_screen(typed=rows), steps)
    assert not plan_it
    assert dict(draft.texts) == {"question": "two", "year": "3"}


def test_planning_takes_along_what_is_still_in_the_form(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(*"why", "ctrl+g")

    [(plan_it, draft)] = drive(queries_screen(), steps)
    assert (plan_it, draft.typed) == (True, ({"question": "why"},))


def test_answers_may_not_go_where_a_file_is(folder: Path):
    (folder / "answers.jsonl").write_text("mine\n")

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(*"why", "ctrl+g")
        assert app.focused is app.screen.query_one("#output Input")
        await pilot.press("end", *["backspace"] * 40, *"new.csv", "enter")

    [(plan_it, draft)] = drive(queries_screen(), steps)
    assert (plan_it, draft.output) == (True, "new.csv")


def test_ctrl_t_turns_to_a_file_and_back(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+t")
        assert app.focused in app.screen.query_one(FilePane).query("*")
        await pilot.press("ctrl+t")
        assert app.focused in app.screen.query_one(TypedPane).query("*")

    drive(queries_screen(), steps)


# --- a file -----------------------------------------------------------------------------------------


def test_tab_completes_the_path_and_enter_goes_on(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(*"as", "tab")
        assert app.screen.query_one(FilePane).path == "ask."
        await pilot.press(*"c", "tab")
        assert app.screen.query_one(FilePane).path == "ask.csv"
        await pilot.press("enter")
        await settled(pilot)

    [(plan_it, draft)] = drive(queries_screen(kind="file"), steps)
    assert (plan_it, draft.kind, draft.path) == (True, "file", "ask.csv")


def test_a_missing_file_is_told_and_nothing_goes_on(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press(*"none.csv", "enter")
        await settled(pilot)
        assert app.screen.query_one(FilePane).has_class("faulty")

    assert drive(queries_screen(kind="file"), steps) == []


def test_a_column_is_chosen_for_an_input_that_has_none(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert app.focused is not None
        assert app.focused.id == "feeds"
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ChooseColumn)
        await pilot.press("enter")
        await settled(pilot)
        assert app.screen.query_one(FilePane).found.runnable
        await pilot.press("ctrl+g")
        await settled(pilot)

    [(plan_it, draft)] = drive(queries_screen(kind="file", path="text.csv"), steps)
    assert (plan_it, draft.mapping) == (True, (("question", "words"),))


def test_esc_leaves_the_columns_as_they_are(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        app.screen.query_one("#feeds").focus()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape", "escape")

    [(plan_it, draft)] = drive(queries_screen(kind="file", path="ask.csv"), steps)
    assert (plan_it, draft.mapping) == (False, ())


def test_the_first_draft_is_the_workflows_own_table_and_a_free_output(folder: Path):
    (folder / "ask-answers.jsonl").write_text("")
    offer = Offer(name="ask", path="ask.yaml", table=str(folder / "ask.csv"))
    draft = first_draft(offer, folder)
    assert (draft.kind, draft.path, draft.output) == ("file", "ask.csv", "ask-answers-2.jsonl")


# --- the plan ---------------------------------------------------------------------------------------


def test_enter_begins_what_was_planned(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)

    assert drive(proposal_screen(PROPOSED), steps) == [BEGUN]


def test_esc_begins_nothing(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("e", "e", "escape")

    assert drive(proposal_screen(PROPOSED), steps) == [None]


def test_a_refused_plan_cannot_be_begun(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("enter", "e")
        assert app.screen.has_class("refused")
        await pilot.press("escape")

    assert drive(proposal_screen(REFUSED), steps) == [None]


def test_a_refused_start_is_told(folder: Path):
    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert app.screen.has_class("refused")

    assert drive(proposal_screen(PROPOSED, REFUSED), steps) == []


def test_what_a_session_forgot_is_planned_anew(folder: Path):
    """It had ended; the next one knows nothing of the proposal, until it is asked."""
    begun: list[Begun | Refused] = [Refused(number=4, code="stale", message="never made"), BEGUN]

    async def ask() -> Proposed | Refused:
        return PROPOSED

    async def begin(_number: int) -> Begun | Refused:
        return begun.pop(0)

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)

    assert drive(ProposalScreen("ask", ask, begin), steps) == [BEGUN]


def test_what_may_begin_unasked_does_and_asks_where_the_session_was_another(folder: Path):
    """The models of the one that had ended are gone with it."""
    begun: list[Begun | Refused] = [Refused(number=4, code="session", message="it ended"), BEGUN]
    seen: list[Proposal] = []

    async def ask() -> Proposed | Refused:
        return PROPOSED

    async def begin(_number: int) -> Begun | Refused:
        return begun.pop(0)

    def unasked(proposal: Proposal) -> bool:
        seen.append(proposal)
        return True

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await settled(pilot)
        assert (seen, begun) == ([PROPOSAL], [BEGUN])
        await pilot.press("enter")
        await settled(pilot)

    assert drive(ProposalScreen("ask", ask, begin, unasked), steps) == [BEGUN]


def test_who_reads_help_while_a_batch_is_planned_is_asked(folder: Path):
    planned = asyncio.Event()

    async def ask() -> Proposed | Refused:
        await planned.wait()
        return PROPOSED

    async def begin(_number: int) -> Begun | Refused:
        return BEGUN

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        await pilot.press("f1")
        planned.set()
        await settled(pilot)
        assert app.results == []
        await pilot.press("escape", "enter")
        await settled(pilot)

    assert drive(ProposalScreen("ask", ask, begin, lambda _proposal: True), steps) == [BEGUN]


def test_help_goes_away_with_the_screen_that_it_is_about(folder: Path):
    begun = asyncio.Event()

    async def ask() -> Proposed | Refused:
        return PROPOSED

    async def begin(_number: int) -> Begun | Refused:
        await begun.wait()
        return BEGUN

    async def steps(app: Harness, pilot: Pilot[None]) -> None:
        while not isinstance(app.screen, ProposalScreen) or app.screen.proposal is None:
            await pilot.pause(0.01)
        await pilot.press("enter", "f1")
        begun.set()
        await settled(pilot)
        assert app.results == [BEGUN]
        assert len(app.screen_stack) == 1

    drive(ProposalScreen("ask", ask, begin), steps)


# --- what they look like ----------------------------------------------------------------------------


def answers_screen() -> QueriesScreen:
    results = [
        QueryResult(
            index=0,
            id="1",
            workflow="ask",
            status="ok",
            outputs={"keyword": "sky", "answer": "The sky. " * 20},
        ),
        QueryResult(
            index=1,
            id="2",
            workflow="ask",
            status="failed",
            outputs=None,
            error=Failure(code="timeout", message="no answer within timeout_s = 5"),
        ),
    ]
    rows = [{"question": "What is up?"}, {"question": "\x1b]52;c;ZXZpbA==\x07What is [red]down[/red]?"}]
    return QueriesScreen(
        workflow().plan,
        Draft(output="ask-answers-2.jsonl"),
        lambda width: answer_lines(results, rows, width),
        "ask · models stay loaded",
    )


def typed_screen() -> QueriesScreen:
    return queries_screen(typed=({"question": "What is up?", "year": 1997},), texts=(("year", "soon"),))


LOOKED_AT: dict[str, tuple[Callable[[], Screen[Any]], tuple[str, ...]]] = {
    "workflows": (workflows_screen, ()),
    "workflow-that-cannot-run": (workflows_screen, ("down",)),
    "typed": (typed_screen, ("enter",)),
    "file": (lambda: queries_screen(kind="file", path="ask.csv"), ()),
    "file-without-the-column": (lambda: queries_screen(kind="file", path="text.csv"), ()),
    "file-that-cannot-be-read": (lambda: queries_screen(kind="file", path="none.csv"), ()),
    "plan": (lambda: proposal_screen(PROPOSED), ()),
    "plan-refused": (lambda: proposal_screen(REFUSED), ()),
    "plan-explained": (lambda: proposal_screen(PROPOSED), ("e",)),
    "start-refused": (lambda: proposal_screen(PROPOSED, NO_ROOM), ("enter",)),
    "help-workflows": (workflows_screen, ("question_mark",)),
    "help-queries": (typed_screen, ("f1",)),
    "help-plan": (lambda: proposal_screen(PROPOSED), ("question_mark",)),
    "answers": (answers_screen, ()),
}
"""Golden → its screen, and the keys pressed on it."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_screen_before_a_run_looks(folder: Path, look_at: Any, name: str, size: tuple[int, int]):
    make, keys = LOOKED_AT[name]

    async def run() -> None:
        async with Harness(make()).run_test(size=size) as pilot:
            await settled(pilot)
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            await look_at(pilot, f"first-{name}")

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_the_columns_to_choose_from_look(folder: Path, look_at: Any, size: tuple[int, int]):
    async def run() -> None:
        async with Harness(queries_screen(kind="file", path="text.csv")).run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press("enter")
            await settled(pilot)
            await pilot.press("enter")  # the choice is waited for by a worker: there is no settling
            await pilot.pause()
            await look_at(pilot, "first-columns")

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_a_plan_that_is_being_made_or_begun_looks(folder: Path, look_at: Any, size: tuple[int, int]):
    async def run() -> None:
        answered = asyncio.Event()

        async def ask() -> Proposed:
            await answered.wait()
            return PROPOSED

        async def begin(_number: int) -> Begun:
            await asyncio.Event().wait()
            return BEGUN

        screen = ProposalScreen("ask", ask, begin)
        async with Harness(screen).run_test(size=size) as pilot:
            await pilot.pause()
            await look_at(pilot, "first-planning")
            screen.hear("worker cpu: toy on 2 threads, 4 slots, for these models and this machine")
            screen.hear("loading toy")
            await pilot.pause()
            await look_at(pilot, "first-planning-with-words")
            answered.set()
            await settled(pilot)
            await pilot.press("enter")
            await pilot.pause()
            await look_at(pilot, "first-starting")

    asyncio.run(run())
