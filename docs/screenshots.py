"""Render docs/screens/*.svg: the terminal interface over a recorded run of `haloctl demo`, and before a run.

python docs/screenshots.py              from the recording, docs/screens/run.sqlite.zst
python docs/screenshots.py --record     runs the demo first, and keeps its journal as the recording
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import zstandard
from msgspec.structs import replace
from textual.pilot import Pilot

from engine.journal.folder import FILE_NAME
from engine.journal.records import RunMeta
from engine.journal.statements import RowWriter, payload_of
from engine.journal.view import RunView
from engine.wire.orders import Answer, Order
from haloctl.offers import examine, find_offers
from haloctl.replay import Replay
from haloctl.settings import Settings
from haloctl.tui.app import RunApp
from haloctl.tui.model import Joined, Update, ViewState
from haloctl.tui.replay_source import ReplaySource
from haloctl.tui.screens.first_run_workflows import WorkflowsScreen
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.source import NOT_HEARD, Source
from haloctl.tui.terminal_app import TerminalApp

PLACE = Path(__file__).resolve().parent / "screens"
RECORDING = PLACE / "run.sqlite.zst"
SIZE = (120, 36)
PATIENCE_S = 60.0
MOST_BYTES = 300_000


@dataclass(frozen=True)
class Picture:
    """A screen: the moment of the run as a share of the whole, and the keys that lead to it."""

    name: str
    moment: float
    keys: tuple[str, ...] = ()
    theme: str = "dark"


PICTURES = (
    Picture("overview", 0.6, ("l",)),
    Picture("overview-light", 0.6, ("l",), theme="light"),
    Picture("workers", 0.6, ("2",)),
    Picture("queries", 0.6, ("3", "slash", *"state:done", "enter")),
    Picture("operator", 0.6, ("l", "l", "enter")),
    Picture("query", 1.0, ("3", "enter", "j", "j")),
    Picture("plan", 1.0, ("6",)),
    Picture("logs", 1.0, ("7",)),
)
REPLAYED = Picture("replay", 0.4, ("space", *["right_square_bracket"] * 8))
"""Each of these keys moves the replay by a twentieth of the run."""


class Moment:
    """A run that is watched, and stands at one moment."""

    takes_orders = True

    def __init__(self, joined: Joined) -> None:
        self._joined = joined

    async def follow(self, tell: Callable[[Update], None]) -> None:
        tell(self._joined)
        await asyncio.Event().wait()

    async def ask(self, order: Order) -> Answer:
        return NOT_HEARD


def record() -> None:
    """Run the demo in an empty folder, and keep its journal without the places of this machine."""
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        environment = {**os.environ, "HALOCTL_PATHS__RUNS": str(runs)}
        command = [str(Path(sys.executable).parent / "haloctl"), "demo", "--progress", "none"]
        subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
        [run] = [folder for folder in runs.iterdir() if (folder / FILE_NAME).exists()]
        keep(run)


def keep(run: Path) -> None:
    """A run's journal as the recording."""
    with RunView(run) as view:
        meta = view.meta()
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / FILE_NAME
        with closing(sqlite3.connect(run / FILE_NAME)) as journal:
            journal.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy)) as journal, journal:
            told = _without_folders(meta)
            RowWriter(journal).write(told, payload_of(told))
            journal.execute(
                "DELETE FROM meta WHERE name IN ('claim', 'published')"
            )  # they name a file by its folder
        with closing(sqlite3.connect(copy, isolation_level=None)) as journal:
            journal.execute("VACUUM")
        PLACE.mkdir(exist_ok=True)
        RECORDING.write_bytes(zstandard.ZstdCompressor(level=19).compress(copy.read_bytes()))


def _without_folders(meta: RunMeta) -> RunMeta:
    return replace(
        meta,
        workflows=tuple(replace(text, path=Path(text.path).name) for text in meta.workflows),
        input=replace(meta.input, description=Path(meta.input.description).name),
        output_path=Path(meta.output_path).name,
    )


def render(run: Path) -> None:
    """Write all pictures of a run."""
    with RunView(run) as view:
        replay = Replay(view)
        name = str(view.meta().run)
        for picture in PICTURES:
            replay.seek(picture.moment * replay.end_s)
            joined = Joined(run=name, directory=str(run), state=replay.snapshot())
            _write(picture.name, asyncio.run(_drawn(Moment(joined), picture)))
    source = ReplaySource(run, clock=lambda: 0.0)
    _write(REPLAYED.name, asyncio.run(_drawn(source, REPLAYED, REPLAYED.moment)))
    _write("first-run", asyncio.run(_first_step()))


def _write(name: str, svg: str) -> None:
    (PLACE / f"{name}.svg").write_text(svg, encoding="utf-8")
    if len(svg.encode()) > MOST_BYTES:
        raise SystemExit(f"{name}.svg has {len(svg.encode()):,} bytes: too large for a page")


async def _drawn(source: Source, picture: Picture, moved_to: float | None = None) -> str:
    app = RunApp(source, theme=picture.theme, clock=lambda: 0.0)
    async with app.run_test(size=SIZE) as pilot:
        await _settled(pilot)
        for key in picture.keys:
            await pilot.press(key)
            await _settled(pilot)
        if moved_to is not None:
            await _moved(pilot, moved_to)
        return _without_web_fonts(app.export_screenshot(title="haloctl"))


async def _moved(pilot: Pilot[ViewState], share: float) -> None:
    """The replay is where the keys have moved it."""
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    async with asyncio.timeout(PATIENCE_S):
        while (place := screen.view.replay) is None or place.at_s < (share - 0.001) * place.end_s:
            await pilot.pause(0.05)
    await _settled(pilot)


async def _first_step() -> str:
    """The list of workflows, as they ship, without the places where this machine has them."""
    offers = tuple(
        replace(offer, table=offer.table and Path(offer.table).name)
        for offer in find_offers(Path(os.devnull))
    )
    screen = WorkflowsScreen(offers, lambda offer: examine(offer, Settings()))
    app = TerminalApp[None]()
    async with app.run_test(size=SIZE) as pilot:
        app.push_screen(screen)
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        return _without_web_fonts(app.export_screenshot(title="haloctl"))


async def _settled(pilot: Pilot[ViewState]) -> None:
    """The page is there, nothing is being read any more, and two ticks have drawn what was."""
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    async with asyncio.timeout(PATIENCE_S):
        while screen.page is None or any(w.group in ("rows", "path", "nodes") for w in pilot.app.workers):
            await pilot.pause(0.05)
    await pilot.pause(0.6)


def _without_web_fonts(svg: str) -> str:
    """Without references to fonts on other machines."""
    bare = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    return bare.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def main() -> None:
    """Record if asked to, then draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--record", nargs="?", const="", metavar="RUN", help="a run's folder; default: the demo"
    )
    arguments = parser.parse_args()
    if arguments.record:
        keep(Path(arguments.record))
    elif arguments.record is not None:
        record()
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "unpacked"
        run.mkdir()
        (run / FILE_NAME).write_bytes(zstandard.ZstdDecompressor().decompress(RECORDING.read_bytes()))
        (run / "lock").touch()
        with RunView(run) as view:
            run = run.rename(run.with_name(str(view.meta().run)))  # a replay is called as its folder is
        render(run)
        shutil.rmtree(run)


if __name__ == "__main__":
    main()
