"""SIGTERM to a run whose Python functions block for ever: it ends after its grace, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal

import psutil
import pytest

from engine.journal.lock import holder_of

pytestmark = pytest.mark.slow
BLOCKING = """
import signal
import socket
import time
from pathlib import Path


def wait(question):
    if not (Path(__file__).parent / "open").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ours, theirs = socket.socketpair()
        if question.startswith("what"):
            ours.recv(1)
        time.sleep(3600)
    return {"asked": question}
"""


def tools_of(pid):
    return [child for child in psutil.Process(pid).children() if "child.py" in " ".join(child.cmdline())]


def test_its_process_is_gone_while_the_screen_that_began_it_stands(place, terminals, haloctl):
    (place / "functions.py").write_text(BLOCKING)
    with (place / "haloctl.toml").open("a") as settings:
        settings.write("[run]\ngrace_s = 1.0\n")
    terminal = terminals("run", "gate.yaml", "-i", "rows.jsonl", "-o", "out.jsonl", cwd=place)
    terminal.wait_for("attached", "running")
    [lock] = (place / "runs").glob("*/lock")
    pid = holder_of(lock)
    terminal.wait_until(lambda: len(tools_of(pid)) > 1, "no function runs")
    tools = tools_of(pid)
    os.kill(pid, signal.SIGTERM)
    terminal.wait_for("■ stopped", f"haloctl resume {lock.parent.name}")
    terminal.wait_until(lambda: not psutil.pid_exists(pid), "the run's process is still there")
    assert not [tool for tool in tools if tool.is_running()]
    terminal.press("q")
    assert terminal.ended() == 128 + signal.SIGTERM
    (place / "open").touch()
    resumed = haloctl(place, "resume", lock.parent.name)
    assert resumed.returncode == 0, resumed.stderr
    rows = [json.loads(line) for line in (place / "out.jsonl").read_text().splitlines()]
    assert [(row["row"], row["status"]) for row in rows] == [(at, "ok") for at in range(12)]
