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
import asyncio, sys
from haloctl.tui.app import RunApp
from haloctl.tui.screens.run_screen import RunScreen

class Silent:
    takes_orders = True
    async def follow(self, tell):
        await asyncio.Event().wait()

def begin(self):
    drawn = self.app.screen._compositor.render_strips()
    print("Overview" in "".join(strip.text for strip in drawn), *sorted(sys.modules))
    self.app.exit()

RunScreen._begin = begin
RunApp(Silent()).run(headless=True)
"""


def modules_after(source: str) -> set[str]:
    """Names of the modules a new Python has imported after some lines."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("command", FRAMES)
def test_a_command_imports_little_until_its_first_picture(command):
    lines = "\n".join(f"import {name}" for name in ("haloctl.cli", *FRAMES[command]))
    imported = modules_after(f"import sys\n{lines}\nprint(*sys.modules)")
    assert set(FRAMES[command]) <= imported
    assert not imported.intersection(NOT_YET)


def test_the_first_picture_is_a_frame_that_needs_no_page():
    imported = modules_after(FIRST_FRAME)
    assert "True" in imported
    assert not imported.intersection(NOT_YET)
    assert not any(name.endswith("_page") for name in imported)
