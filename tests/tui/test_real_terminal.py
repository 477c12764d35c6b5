"""The interface through a real pseudo-terminal, over real runs: joined, left, killed, come back to."""

from __future__ import annotations

import csv
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte
import pytest

from engine.journal.lock import holder_of

pytestmark = pytest.mark.slow

HALOCTL = str(Path(sys.executable).parent / "haloctl")
PATIENCE_S = 90
HOSTILE = "\x1b]52;c;aGFjaw==\x07 [bold red]raw[/] \u202eright \x1b[2J \x1b]8;;http://x\x07link"
SETTINGS = """
[models.small]
backend = "echo"

[workers.left]
backend = "echo"

[paths]
runs = "runs"
cache = "cache"
"""
WORKFLOW = """
workflow: gate
inputs:
  question: {type: string}
models: {s: small}
operators:
  wait:
    kind: python
    function: functions.py:wait
    arguments: {question: "{{ question }}"}
    timeout_s: 600
  answer:
    kind: llm
    model: s
    prompt: "{{ question }} {{ wait }}"
    max_tokens: 40
  echoed:
    kind: llm
    model: s
    prompt: "{{ question }}"
    max_tokens: 40
outputs:
  answer: "{{ answer }}"
  echoed: "{{ echoed }}"
"""
FUNCTIONS = """
import time
from pathlib import Path


def wait(question):
    folder = Path(__file__).parent
    while not (folder / "open").exists():
        time.sleep(0.05)
    if (folder / "fail").exists() and "[bold red]" in question:
        raise ValueError(question)
    return len(question)
"""


class Terminal:
    """A program on a pseudo-terminal, and the screen it has drawn."""

    def __init__(self, *arguments: str, cwd: Path, columns: int = 120, rows: int = 40) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(child)
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            [HALOCTL, *arguments],
            cwd=cwd,
            stdin=child,
            stdout=child,
            stderr=child,
            env=environ,
            start_new_session=True,
        )
        self._parent, self._child = parent, child

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, *words: str) -> str:
        """Read until all words are on the screen."""
        end = time.monotonic() + PATIENCE_S
        while not all(word in self.text() for word in words):
            assert time.monotonic() < end, f"no {words} on:\n{self.text()}"
            assert self.process.poll() is None or self._read(0.2), f"ended; no {words} on:\n{self.text()}"
            self._read(0.2)
        return self.text()

    def press(self, keys: str) -> None:
        os.write(self._parent, keys.encode())

    def ended(self) -> int:
        """The exit code, once the program has ended; what it drew until then is read."""
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"goes on:\n{self.text()}"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    def is_restored(self) -> bool:
        """Whether the terminal is as it was: its modes, the main screen, the cursor, no mouse reports."""
        last = {mode: max(self.raw.rfind(mode + b"h"), -1) for mode in (b"\x1b[?1049", b"\x1b[?1003")}
        off = all(self.raw.rfind(mode + b"l") > at for mode, at in last.items())
        shown = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        return off and shown and termios.tcgetattr(self._child) == self.before

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._parent], [], [], wait_s)
        if ready:
            data = os.read(self._parent, 1 << 16)
            self.raw += data
            self._stream.feed(data)
        return bool(ready)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._parent)
        os.close(self._child)


@pytest.fixture
def terminals():
    opened: list[Terminal] = []

    def terminal(*arguments: str, cwd: Path) -> Terminal:
        opened.append(Terminal(*arguments, cwd=cwd))
        return opened[-1]

    yield terminal
    for each in opened:
        each.close()


def is_clean(raw: bytes) -> None:
    """Nothing of the hostile text that a terminal would obey has reached it."""
    for sequence in (b"\x1b]52", b"\x1b]8", b"\x1b[2J \x1b", "\u202e".encode()):
        assert sequence not in raw


def haloctl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HALOCTL, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.fixture
def live(tmp_path):
    """A folder with a detached run whose rows wait for a file called `open`; the run's name."""
    (tmp_path / "haloctl.toml").write_text(SETTINGS)
    (tmp_path / "gate.yaml").write_text(WORKFLOW)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "question"])
        rows.writerows([f"q{at}", f"what is {at}?" if at != 1 else HOSTILE] for at in range(12))
    begun = haloctl(tmp_path, "batch", "gate.yaml", "-i", "rows.csv", "-o", "out.jsonl", "--detach")
    assert begun.returncode == 0, begun.stderr
    name = begun.stdout.strip()
    yield tmp_path, name
    pid = holder_of(tmp_path / "runs" / name / "lock")
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def test_a_person_joins_looks_around_and_leaves_and_the_run_goes_on(live, terminals):
    folder, name = live
    terminal = terminals("attach", cwd=folder)
    terminal.wait_for(name, "running", "0/12", "Operators", "wait", "attached")
    terminal.press("3")
    terminal.wait_for("what is 11?", "[bold red]raw[/]")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()
    assert f"come back with: haloctl attach {name}".encode() in terminal.raw
    is_clean(terminal.raw)
    assert holder_of(folder / "runs" / name / "lock") is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_and_leaves_the_run_alone(live, terminals, number):
    folder, name = live
    terminal = terminals("attach", name, cwd=folder)
    terminal.wait_for("running", "attached")
    terminal.process.send_signal(number)
    assert terminal.ended() == 128 + number
    assert terminal.is_restored()
    assert holder_of(folder / "runs" / name / "lock") is not None


def test_a_killed_run_is_said_to_be_gone_and_joined_again_when_it_is_back(live, terminals):
    folder, name = live
    terminal = terminals("attach", name, cwd=folder)
    terminal.wait_for("running", "attached")
    pid = holder_of(folder / "runs" / name / "lock")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    terminal.wait_for("gone", f"haloctl resume {name}")
    resumed = haloctl(folder, "resume", name, "--detach")
    assert resumed.returncode == 0, resumed.stderr
    terminal.wait_for("running", "attached")
    (folder / "open").touch()
    terminal.wait_for("finished", "12 rows ok")
    terminal.press("q")
    assert terminal.ended() == 0
    replay = terminals("replay", "last", cwd=folder)
    replay.wait_for("replay", "▶")
    replay.press("q")
    assert replay.ended() == 0


def test_a_batch_is_begun_and_watched_in_one_go_and_hostile_text_is_text_on_every_page(live, terminals):
    folder, name = live
    (folder / "fail").touch()
    (folder / "open").touch()
    terminal = terminals("run", "gate.yaml", "-i", "rows.csv", cwd=folder)
    terminal.wait_for("finished", "11 rows ok")
    [run] = [
        path
        for path in (folder / "runs").iterdir()
        if (path / "journal.sqlite").exists() and path.name != name
    ]
    for log in run.rglob("*.log"):
        log.write_text(f"{HOSTILE}\nthe end\n")
    hostile = "[bold red]raw[/]"
    for keys, words in (
        ("", (hostile,)),  # the overview, with its rows
        ("2", ("Log of left", hostile)),
        ("3", ("Error", "python_raised", hostile)),
        ("j\r", ("Path of row 1", "the row", "result", "python_raised", hostile)),
        ("j", ("gate/wait", "✖ failed", "Error", hostile)),
        ("o", ("Calls", "tool python", "✖ failed")),
        ("4j", ("gate/", hostile)),
        ("j", ("gate/echoed", "Result", "Prompt: user", hostile)),
        ("o", ("Calls", "echoed", "Worker")),
        ("6", ("Planned and actual", "Epochs by workers")),
        ("7", ("run · ", "error: gate/wait", hostile)),
        ("\x1b[Zj", ("coordinator · ", "the end", hostile)),
    ):
        terminal.press(keys)
        terminal.wait_for(*words)
    terminal.press("q")
    assert terminal.ended() == 3
    assert terminal.is_restored()
    is_clean(terminal.raw)
    assert len((folder / "gate-answers.jsonl").read_text().splitlines()) == 12


def test_a_page_is_turned_to_as_soon_as_there_is_a_frame(tmp_path, trace, terminals):
    (tmp_path / "haloctl.toml").write_text('[paths]\nruns = "runs"\n')
    shutil.copytree(trace, tmp_path / "runs" / "r")
    terminal = terminals("replay", "r", cwd=tmp_path)
    terminal.wait_for("1 Overview")
    terminal.press("3")
    terminal.wait_for("Follow", "Who lives in Turin?")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()


def test_without_a_terminal_the_interface_says_what_to_do_instead(live):
    folder, name = live
    begun = {path.name for path in (folder / "runs").iterdir()}
    for arguments in (
        ("attach", name, "--progress", "rich"),
        ("replay", name),
        ("run", "gate.yaml", "-i", "rows.csv"),
        ("run",),
    ):
        refused = haloctl(folder, *arguments)
        assert refused.returncode == 2
        assert "needs a terminal" in refused.stderr
        assert "fix: without one: haloctl" in refused.stderr
    assert {path.name for path in (folder / "runs").iterdir()} == begun
