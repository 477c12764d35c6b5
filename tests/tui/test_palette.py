"""The palette of actions: on every page what its keys can do, no more and no less, and it does it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList
from textual.widgets._footer import FooterKey

from engine.wire.orders import PauseRun
from haloctl.config import load_settings
from haloctl.offers import Offer, examine
from haloctl.session.proposal import Proposal
from haloctl.session.wire import Proposed
from haloctl.tui.app import RunApp
from haloctl.tui.draft import Draft
from haloctl.tui.model import PAGES, Ended
from haloctl.tui.replay_source import ReplaySource
from haloctl.tui.screens.dialogs import KeysHelp, key_words
from haloctl.tui.screens.first_run_proposal import ProposalScreen
from haloctl.tui.screens.first_run_queries import QueriesScreen
from haloctl.tui.screens.first_run_workflows import WorkflowsScreen
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.widgets.chart import LineChart
from haloctl.tui.widgets.gantt import Gantt

SETTINGS = '[models.toy]\nbackend = "echo"\n'
ASK = """
workflow: ask
inputs: {question: {type: string}}
models: {m: toy}
operators: {answer: {kind: llm, model: m, prompt: "{{ question }}", max_tokens: 8}}
outputs: {answer: "{{ answer }}"}
"""
OFFER = Offer(name="ask", path="ask.yaml", description="Asks.", table=None)
FACTS = {"number": 3, "workflows": ("ask",), "queries": 1, "rejected": 0, "faults": (), "windowed": False}
PLANNED = {"operators": (), "epochs": 1, "model_loads": 0, "estimate_s": 1.0, "measured": False}
PLACES = {"workers": (), "warm": (), "output": "answers.jsonl", "explained": "all of it"}
READ = ("rows", "path", "nodes", "preview", "examine", "plan")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "haloctl.toml").write_text(SETTINGS)
    (tmp_path / "ask.yaml").write_text(ASK)
    return tmp_path


def workflows():
    settings = load_settings().settings
    return WorkflowsScreen((OFFER,), lambda offer: examine(offer, settings))


def queries(kind="typed"):
    found = examine(OFFER, load_settings().settings).workflow
    assert found is not None
    draft = Draft(output="answers.jsonl", kind=kind, typed=({"question": "why"},))
    return QueriesScreen(found.plan, draft)


def proposal():
    async def ask():
        return Proposed(number=3, proposal=Proposal(**FACTS, **PLANNED, **PLACES))

    return ProposalScreen("ask", ask, lambda number: None)


def drive(app, keys, then, size=(120, 40)):
    """Press keys one after another, each when all has come to rest; then look."""

    async def run():
        async with app.run_test(size=size, notifications=True) as pilot:
            await rest(pilot)
            for key in keys:
                await pilot.press(key)
                await rest(pilot)
            await then(app, pilot)

    asyncio.run(run())


async def rest(pilot):
    """Nothing is being read for what is seen, and a run's page stands."""
    await pilot.pause()
    screen = pilot.app.screen
    while isinstance(screen, RunScreen) and (screen.page is None or not screen.view.run):
        await pilot.pause(0.01)
    while reading := [worker for worker in pilot.app.workers if worker.group in READ]:
        await pilot.app.workers.wait_for_complete(reading)
        await pilot.pause()
    if isinstance(screen, RunScreen):
        screen._flush()
    await pilot.pause()


async def until(pilot, holds):
    for _ in range(1000):
        if holds():
            return
        await pilot.pause(0.02)
    raise AssertionError("it did not come to that")


async def agree(app, pilot):
    """What the palette offers by its own words, what the help tells, and what the footer shows are alike."""
    offered = {}
    for title, words, *_ in app.get_system_commands(app.screen):
        key, dot, means = words.partition(" · ")
        if dot:  # one of ours; those of Textual have no key
            assert title not in offered, f"{title!r} stands for {offered[title]} and {(key, means)}"
            offered[title] = (key, means)
    footer = [found for found in app.screen.query(FooterKey) if not found.action.endswith("command_palette")]
    shown = {found.description: key_words(found.key) for found in footer}
    assert shown
    assert {title: key for title, (key, _means) in offered.items() if title in shown}.keys() == shown.keys()
    await pilot.press("question_mark" if isinstance(app, RunApp) else "f1")
    await rest(pilot)
    told = helped(app)
    # From within, there is nothing to be found.
    assert told.pop("Find by its name what can be done here") == ["ctrl+p"]
    assert told.keys() == {means for _key, means in offered.values()}
    assert all(key in told[means] for key, means in offered.values())
    for title, key in shown.items():
        assert key in told[offered[title][1]]
    await pilot.press("escape")
    await rest(pilot)


def helped(app):
    """What the help tells: meaning → its keys."""
    assert isinstance(app.screen, KeysHelp)
    entries = {}
    for line in app.screen.query_one(TextPanel).lines:
        if [piece.text for piece in line] == ["Filters"]:  # no keys from here on
            break
        if len(line) > 1:
            entries["".join(piece.text for piece in line[1:])] = line[0].text.strip().split(", ")
    return entries


async def agree_everywhere(app, pilot):
    """On every page, in every panel of it."""
    for at, page in enumerate(PAGES, 1):
        await pilot.press(str(at))
        await rest(pilot)
        assert app.screen.view.page == page
        seen = []
        while app.focused not in seen:
            seen.append(app.focused)
            await agree(app, pilot)
            await pilot.press("tab")
            await rest(pilot)
        assert len(seen) == len(app.screen.focus_chain)


def test_palette_help_and_footer_agree_in_every_panel_of_a_run(recorded):
    drive(RunApp(recorded(1.2), clock=lambda: 0.0), (), agree_everywhere)


def test_palette_help_and_footer_agree_for_a_run_that_is_over(recorded):
    app = RunApp(recorded(9, Ended(words="exit code 0: done")), clock=lambda: 0.0)
    drive(app, "3", agree)


def test_palette_help_and_footer_agree_in_every_panel_of_a_replay(trace):
    drive(RunApp(ReplaySource(trace, lambda: 0.0), clock=lambda: 0.0), (), agree_everywhere)


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (workflows, ()),
        (workflows, ("tab",)),
        (queries, ()),
        (queries, ("tab",)),
        (lambda: queries("file"), ()),
        (lambda: queries("file"), ("tab",)),
        (lambda: queries("file"), ("tab", "tab")),
        (proposal, ()),
    ],
    ids=["workflows", "graph", "form", "to ask", "path", "rows", "feeds", "plan"],
)
def test_palette_help_and_footer_agree_before_a_run(folder, around, make, keys):
    drive(around(make()), keys, agree)


def by_esc(app):
    """What the palette says that esc does here; nothing where it does nothing."""
    return [
        words.removeprefix("esc · ")
        for _title, words, *_ in app.get_system_commands(app.screen)
        if words.startswith("esc · ")
    ]


def test_esc_is_offered_where_it_takes_something_away_or_leads_out(recorded):
    async def look(app, pilot):
        assert by_esc(app) == []
        for kind in (Gantt, LineChart):
            app.screen.query(kind).first().focus()
            await rest(pilot)
            assert by_esc(app) == []
            await pilot.press("left")
            assert by_esc(app) == ["Take the cursor away"]
            await pilot.press("escape")
            assert by_esc(app) == []
        for page in ("3", "7"):
            await pilot.press(page)
            await rest(pilot)
            assert by_esc(app) == ["Out of here"]
            await pilot.press("slash", "l", "enter")
            await rest(pilot)
            assert by_esc(app) == ["Take the filter away"]
            await pilot.press("escape")
            assert by_esc(app) == ["Out of here"]
        await pilot.press("space", "escape", "escape", "escape")
        await rest(pilot)
        assert (app.screen.view.page, by_esc(app)) == ("overview", [])

    drive(RunApp(recorded(2.2), clock=lambda: 0.0), (), look, (240, 70))


async def chosen(app, pilot, words):
    """Open the palette, type, and take what stands first."""
    await pilot.press("ctrl+p")
    await pilot.press(*words)
    palette = app.screen
    options = palette.query_one(OptionList)
    await until(
        pilot,
        lambda: (
            words in str(options.get_option_at_index(0).prompt).lower() if options.option_count else False
        ),
    )
    await pilot.press("enter")
    await until(pilot, lambda: app.screen is not palette)


def test_an_action_is_done_from_the_palette_where_the_focus_was(recorded):
    source = recorded(1.2)

    async def look(app, pilot):
        await chosen(app, pilot, "pause")
        await until(pilot, lambda: source.asked == [PauseRun()])
        await chosen(app, pilot, "last row")
        await until(pilot, lambda: app.focused.cursor == 39)
        await chosen(app, pilot, "plan")
        await until(pilot, lambda: app.screen.view.page == "plan")

    drive(RunApp(source, clock=lambda: 0.0), "3", look)


def test_a_replay_is_moved_from_the_palette(trace):
    async def look(app, pilot):
        await chosen(app, pilot, "epoch")
        await until(pilot, lambda: len(app.screen.view.shown.epochs) == 1)

    drive(RunApp(ReplaySource(trace, lambda: 0.0), clock=lambda: 0.0), "2", look)


def test_queries_are_planned_from_the_palette(folder, around):
    async def look(app, pilot):
        await chosen(app, pilot, "plan")
        await until(pilot, lambda: app.results)
        assert app.results[0][0] is True

    drive(around(queries()), (), look)


@pytest.mark.parametrize("size", [(80, 24), (160, 46)])
def test_the_palette_looks(recorded, look_at, size):
    async def look(app, pilot):
        await pilot.press("ctrl+p")
        options = app.screen.query_one(OptionList)
        await until(pilot, lambda: options.option_count > 20)
        app.screen.query_one(Input).cursor_blink = False
        await rest(pilot)
        await look_at(pilot, "palette")

    drive(RunApp(recorded(2.2), clock=lambda: 0.0), "3", look, size)
