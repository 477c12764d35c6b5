"""Every key of the screens before a run, pressed, with what it does.

The keys come from the classes' own tables of bindings, so a binding that is added without a press here fails.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from textual.screen import Screen

from engine.ir.ids import OperatorId, RunId, WorkerId
from haloctl.config import load_settings
from haloctl.offers import Offer, examine
from haloctl.session.proposal import OperatorWork, Proposal
from haloctl.session.wire import Begun, Proposed
from haloctl.tui.draft import Draft
from haloctl.tui.screens.first_run_proposal import ProposalScreen
from haloctl.tui.screens.first_run_queries import QueriesScreen
from haloctl.tui.screens.first_run_workflows import WorkflowsScreen


def keys(
    owner: str, action: str, names: str, what: str, then: Any, *between: str
) -> tuple[tuple[Any, ...], ...]:
    """Several keys of one binding: `between` them, what undoes it."""
    return tuple(
        (owner, action, key, what, then, *(between if at else ())) for at, key in enumerate(names.split(","))
    )


ASK = """
workflow: ask
inputs:
  question: {type: string}
  year: {type: integer, required: false}
models: {m: toy}
operators:
  answer: {kind: llm, model: m, prompt: "{{ question }} {{ year }}", max_tokens: 8}
outputs: {answer: "{{ answer }}"}
"""
SETTINGS = '[models.toy]\nbackend = "echo"\n'
TABLE = "question,year\nWhy?,1997\n"
OFFER = Offer(name="ask", path="ask.yaml", description="Asks.", table="ask.csv")
WORK = OperatorWork(operator=OperatorId("ask/answer"), kind="llm", runs_on="toy", calls=1, distinct=1)
PROPOSED = Proposed(
    number=3,
    proposal=Proposal(
        number=3,
        workflows=("ask",),
        queries=1,
        rejected=0,
        faults=(),
        windowed=False,
        operators=(WORK,),
        epochs=1,
        model_loads=1,
        estimate_s=1.0,
        measured=False,
        workers=(WorkerId("cpu"),),
        warm=(),
        output="answers.jsonl",
        explained="all of it",
    ),
)
BEGUN = Begun(number=3, run=RunId("r"), directory="/runs/r")


def workflows() -> Screen[Any]:
    settings = load_settings().settings
    return WorkflowsScreen((OFFER,), lambda offer: examine(offer, settings))


def queries(*, warm: bool = False, **fields: Any) -> Screen[Any]:
    found = examine(OFFER, load_settings().settings).workflow
    assert found is not None
    return QueriesScreen(found.plan, Draft(output="answers.jsonl", **fields), warm=warm)


def proposal() -> Screen[Any]:
    async def ask() -> Proposed:
        return PROPOSED

    async def begin(_number: int) -> Begun:
        return BEGUN

    return ProposalScreen("ask", ask, begin)


def of_a_file(path: str) -> Callable[[], Screen[Any]]:
    return partial(queries, kind="file", path=path)


def with_typed(*typed: str, warm: bool = False) -> Callable[[], Screen[Any]]:
    return partial(queries, typed=tuple({"question": each} for each in typed), warm=warm)


def planned(found: list[Any]) -> bool:
    return bool(found) and found[0][0] is True


def given_up(found: list[Any]) -> bool:
    return bool(found) and found[0][0] is False


WORKFLOWS = (
    ("WorkflowsScreen", "app.focus_next", "tab", "focused.id", "graph"),
    *keys("WorkflowsScreen", "keys", "f1,question_mark", "top", "KeysHelp", "escape"),
)
TO_ASK = (
    ("TypedTable", "remove", "delete", "TypedTable.count", 2, "tab", "tab"),
    ("TypedTable", "remove", "d", "TypedPane.rows", [{"question": "three"}]),
    ("TypedTable", "open", "enter", "TypedPane.texts", {"question": "three", "year": ""}),
)
QUERIES = (
    ("QueriesScreen", "other", "ctrl+t", "QueriesScreen._kind", "file"),
    ("QueriesScreen", "other", "ctrl+t", "QueriesScreen._kind", "typed"),
    ("QueriesScreen", "keys", "f1", "top", "KeysHelp"),
    ("QueriesScreen", "keys", "question_mark", "top", "KeysHelp", "escape", "tab", "tab"),
    ("QueriesScreen", "back", "escape", "app.results", given_up, "escape"),
)
FILE = (
    ("PathInput", "complete", "tab", "PathInput.value", "ask.", *"as"),
    ("PickTable", "open", "enter", "top", "ChooseColumn", *"csv", "tab", "tab"),
    ("ChooseColumn", "dismiss", "escape", "top", "QueriesScreen"),
)


PROPOSAL = (
    ("ProposalScreen", "explain", "e", "ProposalScreen._explaining", True),
    *keys("ProposalScreen", "keys", "f1,question_mark", "top", "KeysHelp", "escape"),
    ("ProposalScreen", "begin", "enter", "app.results", [BEGUN], "escape"),
)

SCENES = {
    "workflows": (workflows, WORKFLOWS),
    "choose": (workflows, [("PickTable", "open", "enter", "app.results", len)]),
    "leave by esc": (workflows, [("WorkflowsScreen", "leave", "escape", "app.results", [None])]),
    "leave by q": (workflows, [("WorkflowsScreen", "leave", "q", "app.results", [None])]),
    "to ask": (with_typed("one", "two", "three"), TO_ASK),
    "queries": (with_typed(), QUERIES),
    "plan by ctrl+g": (with_typed("one"), [("QueriesScreen", "plan", "ctrl+g", "app.results", planned)]),
    "plan by f5": (with_typed("one"), [("QueriesScreen", "plan", "f5", "app.results", planned)]),
    "run by ctrl+g": (
        with_typed("one", warm=True),
        [("QueriesScreen", "run", "ctrl+g", "app.results", planned)],
    ),
    "run by f5": (with_typed("one", warm=True), [("QueriesScreen", "run", "f5", "app.results", planned)]),
    "file": (of_a_file(""), FILE),
    "proposal": (proposal, PROPOSAL),
    "no proposal": (proposal, [("ProposalScreen", "back", "escape", "app.results", [None])]),
}
"""Name → what makes its screen, and its presses one after another."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("haloctl.toml", SETTINGS), ("ask.yaml", ASK), ("ask.csv", TABLE)):
        (tmp_path / name).write_text(text)


def test_no_key_before_a_run_is_bound_that_is_not_pressed_here(bound):
    pressed = {press[:3] for _make, presses in SCENES.values() for press in presses}
    there_are = {(owner, action, key) for module, owner, action, key in bound if before_a_run(module)}
    assert pressed - there_are == set()
    assert there_are - pressed == set()


def before_a_run(module):
    """The others have a test of their own."""
    return module.rpartition(".")[2].startswith(("first_run", "step_screen", "pick_table"))


@pytest.mark.parametrize("name", SCENES)
def test_each_key_before_a_run_does_what_it_is_bound_to(folder, press_through, around, name):
    make, presses = SCENES[name]
    press_through(around(make()), presses, (120, 40))
