"""Screens compared with text goldens: what stands in each cell, and how it looks.

A golden holds every row twice, the text and below it one letter a cell for the style, with a legend at the
end; so a change of a screen can be read in a diff. `UPDATE_GOLDENS=1 pytest tests/tui` writes them anew.

Whole screens are held in three looks at once: dark, light, and dark without colour. Their goldens have a
letter for each combination of the three styles, and further lines where the text itself is another one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import pytest
import zstandard
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from engine.ir.event import Event
from engine.journal.view import RunView
from engine.live.fold import LiveState
from engine.live.membership import KnownPlans
from engine.live.state import LiveSnapshot
from engine.wire.orders import Answer, Done, Order
from haloctl.tui.app import RunApp
from haloctl.tui.colourless import colourless
from haloctl.tui.model import Joined, Update
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.terminal_app import TerminalApp
from haloctl.tui.themes import DARK, LIGHT

GOLDENS = Path(__file__).parent / "goldens"
_LETTERS = ascii_letters + digits + "!#$%&*+=?@^~αβγδεζηθικλμνξοπρστυφχψωбвгджзийлмнптфцчшщъыьэюя"

RunBefore = Callable[[Pilot[Any]], Awaitable[None] | None]
SnapCompare = Callable[..., None]


@pytest.fixture
def snap_compare(request: pytest.FixtureRequest) -> SnapCompare:
    """`snap_compare(app, terminal_size=(80, 24), press=("j",), run_before=…)`: the screen equals its golden.

    A test may call it several times; each call has a golden of its own.
    """
    calls = 0

    def compare(
        app: App[Any],
        *,
        terminal_size: tuple[int, int] = (80, 24),
        press: Iterable[str] = (),
        run_before: RunBefore | None = None,
    ) -> None:
        nonlocal calls
        calls += 1
        name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
        path = GOLDENS / f"{name}{'' if calls == 1 else f'.{calls}'}.txt"
        seen = asyncio.run(_screen(app, terminal_size, tuple(press), run_before))
        if os.environ.get("UPDATE_GOLDENS"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(seen, encoding="utf-8")
        assert path.exists(), f"no golden {path.name}: look at the screen, then run with UPDATE_GOLDENS=1"
        assert seen.splitlines() == path.read_text(encoding="utf-8").splitlines()

    return compare


async def _screen(
    app: App[Any], size: tuple[int, int], press: tuple[str, ...], run_before: RunBefore | None
) -> str:
    if app.no_color:
        app._filters[:] = colourless(app._filters)  # what the product's applications show of their own accord
    async with app.run_test(size=size) as pilot:
        if run_before is not None:
            awaited = run_before(pilot)
            if awaited is not None:
                await awaited
        if press:
            await pilot.press(*press)
        await pilot.pause()
        return screen_text(app)


def screen_text(app: App[Any]) -> str:
    """The topmost screen of a running app as a golden holds it."""
    legend: dict[str, str] = {}
    lines = []
    for strip in app.screen._compositor.render_strips():
        text, styles = _row(strip, legend)
        lines += [f"|{text}|", f" {styles.rstrip()}"]
    described = [f"{letter} {style}" for style, letter in legend.items()]
    return "\n".join((*lines, "", *described)) + "\n"


def _row(segments: Iterable[Segment], legend: dict[str, str]) -> tuple[str, str]:
    text, letters = "", ""
    for segment in segments:
        letter = legend.setdefault(_described(segment.style), _LETTERS[len(legend) % len(_LETTERS)])
        text += segment.text
        letters += letter * cell_len(segment.text)
    return text, letters


def _described(style: Style | None) -> str:
    """A style in words, without the links and handlers that differ from run to run."""
    return (
        "plain"
        if style is None
        else str(style.without_color + Style(color=style.color, bgcolor=style.bgcolor))
    )


COLOURLESS = dataclasses.replace(DARK, name="haloctl-colourless")
LOOKS = {"dark": (DARK.name, False), "light": (LIGHT.name, False), "plain": (COLOURLESS.name, True)}
"""Look → its theme, and whether it does without colour."""

LookAt = Callable[[Pilot[Any], str], Awaitable[None]]


@pytest.fixture
def look_at() -> LookAt:
    """`await look_at(pilot, "overview")`: in every look, the screen equals its golden for this size."""

    async def compare(pilot: Pilot[Any], name: str) -> None:
        columns, lines = pilot.app.size
        await hold_to_golden(f"{name}-{columns}x{lines}", await _looks(pilot))

    return compare


async def hold_to_golden(name: str, seen: str) -> None:
    assert seen.replace("\n", "").isprintable()  # rows of the recorded run carry escape sequences
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(seen, encoding="utf-8")
    assert path.exists(), f"no golden {path.name}: look at the screen, then run with UPDATE_GOLDENS=1"
    assert seen.splitlines() == path.read_text(encoding="utf-8").splitlines()


async def _looks(pilot: Pilot[Any]) -> str:
    """The screen in all looks, as a golden holds it."""
    app = pilot.app
    found, filters = {}, list(app._filters)
    app.register_theme(COLOURLESS)
    for look in ("dark", "plain", "light"):  # each another theme than the one before: styles are made anew
        # The looks are read here. To draw them too takes longer than all else: the first one is enough, but
        # for what stands behind a dialog.
        with nullcontext() if look == "dark" or app.screen.is_modal else app.batch_update():
            theme, app.no_color = LOOKS[look]
            app._filters[:] = colourless(filters) if app.no_color else filters
            app.theme = theme
            await pilot.pause()
            found[look] = [_cells(strip) for strip in app.screen._compositor.render_strips()]
    seen = {look: found[look] for look in LOOKS}
    legend: dict[str, str] = {}
    lines = [line for row in zip(*seen.values(), strict=True) for line in _combined(row, legend)]
    described = [f"{letter} {styles}" for styles, letter in legend.items()]
    return "\n".join((*lines, "", f"  {' | '.join(LOOKS)}", *described)) + "\n"


def _cells(segments: Iterable[Segment]) -> tuple[str, list[str]]:
    """The text of a row, and the style of each of its cells."""
    styles, text = [], ""
    for segment in segments:
        text += segment.text
        styles += [_described(segment.style)] * cell_len(segment.text)
    return text, styles


def _combined(looks: tuple[tuple[str, list[str]], ...], legend: dict[str, str]) -> Iterator[str]:
    """Lines of a golden for one row: its text, those that differ from it, and a letter a cell."""
    first = looks[0][0]
    yield f"|{first}|"
    yield from (f"{look[0]}{text}|" for look, (text, _) in zip(LOOKS, looks, strict=True) if text != first)
    letters = ""
    for styles in zip(*(styles for _, styles in looks), strict=True):
        alike = len(set(styles)) == 1
        letters += legend.setdefault(
            styles[0] if alike else " | ".join(styles), _LETTERS[len(legend) % len(_LETTERS)]
        )
    yield f" {letters.rstrip()}"


Steps = Callable[[Pilot[Any]], Awaitable[None]]
Show = Callable[..., None]
Press = Callable[..., Awaitable[None]]


@pytest.fixture
def show() -> Show:
    """`show(source, (80, 24), steps)`: run the interface over a source, and take steps in it."""

    def shown(source: Any, size: tuple[int, int], steps: Steps, *, notifications: bool = False) -> None:
        async def run() -> None:
            app = RunApp(source, clock=lambda: 0.0)
            async with app.run_test(size=size, notifications=notifications) as pilot:
                while not any(worker.group == "source" for worker in app.workers):
                    await pilot.pause(0.01)  # the first page stands before the source is listened to
                await _rest(pilot)
                await steps(pilot)

        asyncio.run(run())

    return shown


async def _rest(pilot: Pilot[Any]) -> None:
    [screen] = [each for each in pilot.app.screen_stack if isinstance(each, RunScreen)]
    for _ in range(3):
        await pilot.pause()
        while reading := [w for w in pilot.app.workers if w.group in ("rows", "path", "nodes")]:
            await pilot.app.workers.wait_for_complete(reading)
        screen._tick()
        screen._flush()
    await pilot.pause()


@pytest.fixture
def rest() -> Steps:
    """`await rest(pilot)`: nothing of a run's screen is left to be read, and all of it is drawn."""
    return _rest


@pytest.fixture
def press() -> Press:
    """`await press(pilot, "3", "enter")`: each key when what came before it has come to rest."""

    async def pressed(pilot: Pilot[Any], *keys: str) -> None:
        for key in keys:
            await pilot.press(key)
            await _rest(pilot)

    return pressed


class Around(TerminalApp[None]):
    """One screen; what it is dismissed with is kept."""

    def __init__(self, shown: Screen[Any]) -> None:
        super().__init__()
        self._shown = shown
        self.results: list[Any] = []

    def on_mount(self) -> None:
        super().on_mount()
        self.push_screen(self._shown, self.results.append)


@pytest.fixture
def around() -> type[Around]:
    """`around(screen)`: an application of one screen, whose `results` are what that was dismissed with."""
    return Around


TRACE_RUN = "20261121-120000-demo"
EVENTFUL_RUN = "20261122-050000-eventful"


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the recorded run (see record_trace.py), with a log."""
    folder = _unpacked("journal.sqlite.zst", tmp_path_factory.mktemp("runs") / TRACE_RUN)
    lines = [f"loading took {at} ms" for at in range(30)]
    (folder / "workers" / "left.log").write_text(
        "\n".join([*lines, "warning: slow disk", "error: \x1b[31mred"]) + "\n"
    )
    (folder / "workers" / "right.log").write_text("")
    return folder


def _unpacked(name: str, folder: Path) -> Path:
    """A recording as the folder of a run."""
    (folder / "workers").mkdir(parents=True)
    packed = (Path(__file__).parent / "trace" / name).read_bytes()
    (folder / "journal.sqlite").write_bytes(zstandard.ZstdDecompressor().decompress(packed))
    (folder / "lock").touch()
    return folder


@pytest.fixture(scope="session")
def eventful_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in which a worker was lost (see record_eventful_trace.py)."""
    return _unpacked("eventful.sqlite.zst", tmp_path_factory.mktemp("runs") / EVENTFUL_RUN)


class Recorded:
    """A source that tells given updates, and keeps the orders it is asked."""

    takes_orders = True

    def __init__(self, *updates: Update) -> None:
        self.updates = updates
        self.asked: list[Order] = []
        self.tell: Callable[[Update], None] = lambda _update: None

    async def follow(self, tell: Callable[[Update], None]) -> None:
        self.tell = tell
        for update in self.updates:
            tell(update)
        await asyncio.Event().wait()

    async def ask(self, order: Order) -> Answer:
        self.asked.append(order)
        return Done(words=f"did {type(order).__name__}")


class Standing(Recorded):
    """A replay at the moments it is given, which no key moves."""

    takes_orders = False

    def stay(self, *_to: Any) -> None:
        """Every movement."""

    play_or_pause = step = faster = seek = skip = stay


@pytest.fixture
def standing() -> type[Standing]:
    """`standing(Replayed(…))`: a source that shows a replay as it is told, and then stands still."""
    return Standing


@pytest.fixture(scope="session")
def state_at(trace: Path) -> Callable[..., LiveSnapshot]:
    """`state_at(1.5, RunPaused(at=1.5))`: the recorded run's live state as of that second."""

    return partial(_state_at, trace)


def _state_at(run: Path, at_s: float, *then: Event) -> LiveSnapshot:
    with RunView(run) as view:
        plans = KnownPlans(lasting=True)
        for record in view.plans():
            plans.add(record.plan)
        state = LiveState(plans)
        for event in view.events():
            if event.at > at_s:
                break
            state.absorb(event)
    for event in then:
        state.absorb(event)
    return state.snapshot()


@pytest.fixture
def recorded(trace: Path, state_at: Callable[..., LiveSnapshot]) -> Callable[..., Recorded]:
    """`recorded(1.5, Lost(…))`: a source that joins the recorded run at that second, then tells more."""

    def source(at_s: float = 1.2, *more: Update) -> Recorded:
        joined = Joined(run=TRACE_RUN, directory=str(trace), state=state_at(at_s))
        return Recorded(joined, *more)

    return source


@pytest.fixture
def eventful(eventful_trace: Path) -> Callable[[float], Recorded]:
    """`eventful(3.5)`: a source that joins the run in which much happens at that second."""

    def source(at_s: float) -> Recorded:
        state = _state_at(eventful_trace, at_s)
        return Recorded(Joined(run=EVENTFUL_RUN, directory=str(eventful_trace), state=state))

    return source
