"""From `haloctl run` to answers and to the next batch: the real application on a real session."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen

from engine.ir.event import ModelLoaded, WorkerReady
from engine.journal.view import RunView
from engine.testing.waiting import write_waiting
from haloctl.config import load_settings
from haloctl.offers import Offer, find_offers
from haloctl.tui import first_run_journey
from haloctl.tui.departure import Departure
from haloctl.tui.first_run_app import FirstRunApp
from haloctl.tui.screens.first_run_proposal import ProposalScreen
from haloctl.tui.screens.first_run_queries import QueriesScreen
from haloctl.tui.screens.first_run_workflows import WorkflowsScreen
from haloctl.tui.screens.run_screen import RunScreen

SETTINGS = """
[models.toy]
backend = "echo"
[paths]
runs = "runs"
cache = "cache"
"""
ASK = """
workflow: ask
inputs:
  question: {type: string}
models: {m: toy}
operators:
  answer: {kind: llm, model: m, prompt: "Q: {{ question }}", max_tokens: 12}
outputs: {answer: "{{ answer }}"}
"""
S = TypeVar("S", bound=Screen[Any])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    for name, text in (
        ("haloctl.toml", SETTINGS),
        ("ask.yaml", ASK),
        ("ask.csv", "id,question\n1,up\n2,down\n"),
    ):
        (home / name).write_text(text)
    return home


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Let the application work until something holds."""
    async with asyncio.timeout(60):
        while not holds():
            await pilot.pause(0.02)


async def arrived(pilot: Pilot[Any], kind: type[S]) -> S:
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, kind)
    return screen


async def planned(pilot: Pilot[Any]) -> ProposalScreen:
    screen = await arrived(pilot, ProposalScreen)
    await until(pilot, lambda: not screen.has_class("planning"))
    assert not screen.has_class("refused")
    return screen


def left_after(app: FirstRunApp, steps: Callable[[Pilot[Any]], Awaitable[None]]) -> Departure | None:
    """How the application was left after `steps`; its session has ended then."""

    async def run() -> Departure | None:
        async with app.run_test(size=(100, 30)) as pilot:
            await steps(pilot)
            await until(pilot, lambda: app.return_value is not None)
        return app.return_value

    try:
        return asyncio.run(run())
    finally:
        app.session.wait_ended(60)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_table_is_answered_and_then_a_typed_question_on_the_same_warm_worker(folder: Path):
    app = FirstRunApp(load_settings().settings)

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("enter")
        await arrived(pilot, QueriesScreen)
        await pilot.press("enter")
        await planned(pilot)
        await pilot.press("enter")
        await arrived(pilot, RunScreen)
        await until(pilot, lambda: len(app.finished) == 1)
        await pilot.press("q", *"sideways", "enter", "enter")  # the answers are read meanwhile
        await until(pilot, lambda: len(app.finished) == 2)  # nobody said yes: nothing had to be loaded
        await arrived(pilot, RunScreen)
        await pilot.press("q")
        await arrived(pilot, QueriesScreen)
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("escape")

    left = left_after(app, steps)
    assert left is not None
    assert (left.code, left.goes_on, len(left.finished)) == (0, "", 2)
    assert [row["id"] for row in rows(folder / "ask-answers.jsonl")] == ["1", "2"]
    [answer] = rows(folder / "ask-answers-2.jsonl")
    assert "sideways" in answer["outputs"]["answer"]
    with RunView(Path(left.finished[0])) as first, RunView(Path(left.finished[1])) as second:
        [cold] = [event for event in first.events() if isinstance(event, WorkerReady)]
        [warm] = [event for event in second.events() if isinstance(event, WorkerReady)]
        loaded = [event for event in second.events() if isinstance(event, ModelLoaded)]
    assert (warm.pid, warm.resident, loaded) == (cold.pid, ("toy",), [])


def test_on_a_warm_worker_esc_backs_out_of_planning_and_rows_that_cannot_run_are_asked_about(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    app = FirstRunApp(load_settings().settings)
    proposed = asyncio.Event()

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("enter")
        await arrived(pilot, QueriesScreen)
        await pilot.press("ctrl+g")
        await planned(pilot)
        assert app.finished == ()  # the first one is asked about
        await pilot.press("enter")
        await until(pilot, lambda: len(app.finished) == 1)
        await arrived(pilot, RunScreen)
        with monkeypatch.context() as patched:
            patched.setattr(app.session, "propose", late(app.session.propose))
            await pilot.press("q", *"never", "enter", "enter")
            await arrived(pilot, ProposalScreen)
            await pilot.press("escape")
            screen = await arrived(pilot, QueriesScreen)
            proposed.set()
            assert screen.drafted().typed == ({"question": "never"},)
        (folder / "ask.csv").write_text("id,question\n1,up\n2,down,left\n")
        await pilot.press("ctrl+t", "ctrl+g")
        proposal = (await planned(pilot)).proposal
        assert proposal is not None
        assert (proposal.model_loads, proposal.rejected) == (0, 1)
        await pilot.press("escape")
        await arrived(pilot, QueriesScreen)
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("q")

    def late(propose: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def after_esc(*arguments: Any) -> Any:
            found = await propose(*arguments)
            await proposed.wait()
            return found

        return after_esc

    left = left_after(app, steps)
    assert left is not None
    assert len(left.finished) == 1
    assert [run.name for run in (folder / "runs").iterdir() if run.name != "tables"] == [
        Path(left.finished[0]).name
    ]


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_who_leaves_a_run_is_told_that_it_goes_on_and_it_ends_by_itself(folder: Path, key: str):
    import fcntl

    write_waiting(folder)
    app = FirstRunApp(load_settings().settings)

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("down", "enter")
        await arrived(pilot, QueriesScreen)
        await pilot.press(*"gate", "enter", "enter")
        await planned(pilot)
        await pilot.press("enter")
        await arrived(pilot, RunScreen)
        await pilot.press(key)
        await until(pilot, lambda: app.return_value is not None)
        fcntl.flock(lock, fcntl.LOCK_UN)

    with (folder / "gate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = left_after(app, steps)
    assert left is not None
    assert left.goes_on
    assert left.finished == ()
    assert [row["status"] for row in rows(folder / "wait-answers.jsonl")] == ["ok"]


def test_a_batch_that_cannot_run_leads_back_with_everything_still_filled_in(folder: Path):
    (folder / "ask.csv").write_text("id,question\n")
    app = FirstRunApp(load_settings().settings)

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("enter")
        await arrived(pilot, QueriesScreen)
        (folder / "ask.csv").write_text("id,question\n1,x\n")
        await pilot.press("ctrl+g")
        await planned(pilot)
        (folder / "ask-answers.jsonl").write_text("mine\n")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.has_class("refused"))
        await pilot.press("escape")
        screen = await arrived(pilot, QueriesScreen)
        assert screen.drafted().path == "ask.csv"
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("q")

    left = left_after(app, steps)
    assert left == Departure()
    assert (folder / "ask-answers.jsonl").read_text() == "mine\n"


async def ask(pilot: Pilot[Any], question: str) -> None:
    """Type a question, run it to its end, and come back for the next."""
    await arrived(pilot, QueriesScreen)
    done = len(pilot.app.finished)
    await pilot.press(*question, "enter", "enter")
    await planned(pilot)  # on a new session: a model is to be loaded
    await pilot.press("enter")
    await arrived(pilot, RunScreen)
    await until(pilot, lambda: len(pilot.app.finished) > done)
    await pilot.press("q")
    await arrived(pilot, QueriesScreen)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_session_that_is_gone_is_replaced_for_the_next_batch(folder: Path, end: signal.Signals):
    """It took its leave, as when it was idle for long, or it did not."""
    (folder / "ask.csv").unlink()
    app = FirstRunApp(load_settings().settings)

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("enter")
        await ask(pilot, "up")
        os.kill(app.session.pid, end)
        await until(pilot, lambda: not app.session.attached)
        await ask(pilot, "down")
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("q")

    left = left_after(app, steps)
    assert left is not None
    assert len(left.finished) == 2
    assert "down" in rows(folder / "ask-answers-2.jsonl")[0]["outputs"]["answer"]


def test_a_run_whose_session_is_killed_is_not_said_to_go_on(folder: Path):
    import fcntl

    write_waiting(folder)
    app = FirstRunApp(load_settings().settings)

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("down", "enter")
        await arrived(pilot, QueriesScreen)
        await pilot.press(*"gate", "enter", "enter")
        await planned(pilot)
        await pilot.press("enter")
        screen = await arrived(pilot, RunScreen)
        os.kill(app.session.pid, signal.SIGKILL)
        await until(pilot, lambda: screen.view.link == "gone")
        assert "was killed (SIGKILL)" in screen.view.words
        await pilot.press("q")
        await arrived(pilot, QueriesScreen)
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("q")

    with (folder / "gate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert left_after(app, steps) == Departure()


class LateApp(FirstRunApp):
    """One whose steps take their time to come up."""

    async def push_screen_wait(self, *arguments: Any, **more: Any) -> Any:
        for _ in range(20):
            await asyncio.sleep(0)
        return await super().push_screen_wait(*arguments, **more)


@pytest.mark.parametrize("kind", [FirstRunApp, LateApp])
def test_what_is_typed_before_the_first_step_stands_is_meant_for_it_in_order(
    folder: Path, kind: type[FirstRunApp]
):
    write_waiting(folder)
    app = kind(load_settings().settings)

    async def steps(pilot: Pilot[Any]) -> None:
        for key in ("down", "up", "down", "enter", *"gate"):  # to the second workflow, and into its form
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        assert not isinstance(app.screen, WorkflowsScreen)
        screen = await arrived(pilot, QueriesScreen)
        await until(pilot, lambda: screen.drafted().texts == (("file", "gate"),))
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("q")

    assert left_after(app, steps) == Departure()


def test_keys_behind_one_that_goes_back_wait_for_the_workflows_to_be_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    write_waiting(folder)
    app = FirstRunApp(load_settings().settings)
    typed_all = threading.Event()

    def found_late(where: Path) -> tuple[Offer, ...]:
        assert typed_all.wait(60)
        return find_offers(where)

    async def steps(pilot: Pilot[Any]) -> None:
        await arrived(pilot, WorkflowsScreen)
        monkeypatch.setattr(first_run_journey, "find_offers", found_late)
        for key in ("enter", "escape", "down", "enter", *"gate"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: len(app.screen_stack) == 1)
        for _ in range(200):  # turns of the event loop: enough for each key to be lost
            await asyncio.sleep(0)
        typed_all.set()
        screen = await arrived(pilot, QueriesScreen)
        await until(pilot, lambda: screen.drafted().texts == (("file", "gate"),))
        await pilot.press("escape")
        await arrived(pilot, WorkflowsScreen)
        await pilot.press("q")

    assert left_after(app, steps) == Departure()
