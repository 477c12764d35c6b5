"""When Python looks for garbage: what commands tell it while they start, on a screen, and afterwards."""

from __future__ import annotations

import ast
import gc
import os
import pty
import select
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from haloctl import garbage

WATCHED = """
import gc, os, signal, sys, threading

told = []

def watched(name):
    real = getattr(gc, name)
    def called(*arguments):
        told.append((name, *arguments[:1]))
        real(*arguments)
        if name == "freeze":  # the screen has begun: that is all we want to see of it
            os.kill(os.getpid(), signal.SIGTERM)
    setattr(gc, name, called)

for each in ("set_threshold", "freeze", "unfreeze"):
    watched(each)
threading.Thread(target=lambda: (threading.Event().wait(60), os._exit(99)), daemon=True).start()
sys.argv = ["haloctl", *sys.argv[2:]]
from haloctl.__main__ import main
try:
    main()
finally:
    with open("told", "w") as file:
        print(told, file=file)
"""
"""A command that writes down what it tells the collector, and is ended by a signal when its screen stands."""
BEGINS = ("set_threshold", 100_000)
PORTIONS = ("set_threshold", 20_000)


@pytest.fixture
def folder(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = tmp_path / "x"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("TERM", "xterm-256color")
    (tmp_path / "haloctl.toml").write_text('[paths]\nruns = "runs"\n[models.m]\nbackend = "echo"\n')
    shutil.copytree(trace, tmp_path / "runs" / "r")
    return tmp_path


def told_by(folder: Path, *arguments: str) -> tuple[int, list[tuple[str, int]]]:
    """The exit code of a command on a terminal, and what it told the collector."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, "haloctl", *arguments],
        cwd=folder,
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    try:
        while process.poll() is None:
            if select.select([parent], [], [], 0.05)[0]:
                os.read(parent, 1 << 16)
    except OSError:  # it has closed the terminal
        process.wait()
    finally:
        os.close(parent)
    return process.returncode, ast.literal_eval((folder / "told").read_text())


@pytest.mark.parametrize("arguments", [("run",), ("replay", "r")], ids=["run", "replay"])
def test_a_screen_begins_with_few_looks_then_leaves_what_is_there_and_gives_it_back(folder, arguments):
    code, told = told_by(folder, *arguments)
    assert told == [BEGINS, ("freeze",), PORTIONS, BEGINS, ("unfreeze",)]
    assert code == 143


@pytest.mark.parametrize(
    "arguments", [("show", "r"), ("attach", "r", "--progress", "plain")], ids=["show", "attach"]
)
def test_a_command_without_a_screen_looks_for_garbage_in_portions(folder, arguments):
    _code, told = told_by(folder, *arguments)
    assert told == [BEGINS, PORTIONS]


PROCESSES = {
    "a detached run": "import socket; from pathlib import Path; from haloctl.detached import main;"
    "ours, theirs = socket.socketpair(); ours.close(); main(theirs.detach(), Path())",
    "a session": "from haloctl.session.__main__ import main; main()",
}
"""Process of haloctl's own → how it begins; with nothing to do it ends at once."""


@pytest.mark.parametrize("process", PROCESSES)
def test_processes_of_runs_look_for_garbage_in_portions(process):
    lines = f"import atexit, gc\natexit.register(lambda: print(gc.get_threshold()[0]))\n{PROCESSES[process]}"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.stdout == "20000\n"
    assert done.returncode != 0


class Ring:
    """Garbage that only a look through all objects finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_before_a_screen_is_looked_through_again_after_it():
    before = gc.get_threshold()
    for _ in range(2):
        ring = weakref.ref(Ring())
        with garbage.on_a_screen() as begun:
            assert gc.get_threshold() == before
            begun()
            assert (gc.get_threshold()[0], gc.get_freeze_count() > 0) == (20_000, True)
            gc.collect()
            assert ring() is not None
        gc.collect()
        assert ring() is None
        assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
