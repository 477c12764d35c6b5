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
    "tools",
)
"""Dear to import, and of no use to a frame with a status line, a bar of pages and keys."""
FRAMES = {
    "attach": ("haloctl.commands.attach", "haloctl.tui.show", "haloctl.tui.socket_source"),
    "replay": ("haloctl.commands.replay", "haloctl.tui.show", "haloctl.tui.replay_source"),
    "run": ("haloctl.commands.run",),
}
"""Command → what it imports until its first picture is drawn."""
FIRST_FRAME = """
import asyncio, re, sys
from textual.drivers.linux_driver import LinuxDriver
from haloctl.tui.app import RunApp

class Silent:
    takes_orders = True
    async def follow(self, tell):
        await asyncio.Event().wait()

class Watched(LinuxDriver):
    seen = None
    def write(self, data):
        super().write(data)
        if self.seen is None and "connecting" in data:
            Watched.seen = [*sys.modules, *re.findall(r"[A-Z][a-z]{3,}", data)]
            self._app.exit()

RunApp.get_driver_class = lambda self: Watched
RunApp(Silent()).run()
print(*Watched.seen)
"""
"""Prints what was imported when the first picture was sent to the terminal, and the words in it."""


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


def test_the_first_picture_reaches_the_terminal_before_any_page_is_imported():
    found = modules_after(FIRST_FRAME)
    assert {"haloctl.tui.screens.run_screen", "Overview"} <= found
    assert not found.intersection(NOT_YET)
    assert not any(name.endswith("_page") for name in found)
