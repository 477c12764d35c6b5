"""What stands between a command and its first picture: the modules it imports, and no more than those."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOT_YET = (
    "numpy",
    "networkx",
    "pyarrow",
    "sqlite3",
    "trio",
    "jinja2",
    "yaml",
    "llama_cpp",
    "torch",
    "engine.optimizer",
    "engine.parser",
    "engine.processor",
    "engine.backends",
    "engine.journal.store",
    "haloctl.session",
    "tools",
)
"""Dear to import, and of no use to a frame with a status line, a bar of pages and keys."""
FRAMES = {
    "attach": ("haloctl.commands.attach", "haloctl.tui.show", "haloctl.tui.socket_source"),
    "replay": ("haloctl.commands.replay", "haloctl.tui.show", "haloctl.tui.replay_source"),
    "run of a batch": (
        "haloctl.commands.run",
        "haloctl.watching",
        "haloctl.tui.show",
        "haloctl.tui.begun_source",
    ),
    "run": ("haloctl.commands.run", "haloctl.tui.first_run"),
}
"""Command → what it imports until its first picture is drawn."""
RUN = """
from haloctl.tui.app import RunApp

class Silent:
    takes_orders = True
    async def follow(self, tell):
        await asyncio.Event().wait()

app = RunApp(Silent())
"""
"""The screen of a run that says nothing."""
FIRST_RUN = """
from haloctl.settings import Settings
from haloctl.tui.first_run_app import FirstRunApp

FirstRunApp._begin = lambda self: self._driver.seen.append("begun")
app = FirstRunApp(Settings())
"""
"""The first of the steps to a run; it fails where it begins before there is a picture."""
FIRST_FRAME = """
import asyncio, re, sys
from textual.drivers.linux_driver import LinuxDriver
{application}
class Watched(LinuxDriver):
    seen = None
    def write(self, data):
        super().write(data)
        if self.seen is None and "{mark}" in data:
            Watched.seen = [*sys.modules, *re.findall(r"[A-Za-z]{{4,}}", data)]
            self._app.exit()

app.driver_class = Watched
app.run()
print(*Watched.seen)
"""
"""Prints what was imported when a first picture with `mark` was sent to the terminal, and the words in it."""


def modules_after(source: str) -> set[str]:
    """Names of the modules a new Python has imported after some lines."""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, input=""
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("command", FRAMES)
def test_a_command_imports_little_until_its_first_picture(command):
    lines = "\n".join(f"import {name}" for name in ("haloctl.cli", *FRAMES[command]))
    imported = modules_after(f"import sys\n{lines}\nprint(*sys.modules)")
    assert set(FRAMES[command]) <= imported
    assert not imported.intersection(NOT_YET)


@pytest.mark.parametrize(
    ("application", "mark", "word"), [(RUN, "connecting", "Overview"), (FIRST_RUN, "workflow", "without")]
)
def test_the_first_picture_reaches_the_terminal_before_what_comes_next_is_imported(application, mark, word):
    found = modules_after(FIRST_FRAME.format(application=application, mark=mark))
    assert {"haloctl.tui.terminal_app", word} <= found
    assert not found.intersection(NOT_YET)
    assert not any(name.endswith(("_page", "_journey", "_batches")) for name in found)
