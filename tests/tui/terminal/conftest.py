"""The interface on a real pseudo-terminal: a program, the screen it draws, and runs to be looked at."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest

from engine.journal.lock import holder_of

HALOCTL = str(Path(sys.executable).parent / "haloctl")
PATIENCE_S = 90
HOSTILE = "\x1b]52;c;aGFjaw==\x07 [bold red]raw[/] \u202eright \x1b[2J \x1b]8;;http://x\x07link"
SETTINGS = """
[models.small]
backend = "echo"
context_tokens = 400000
kv_memory = "2GB"

[workers.left]
backend = "echo"
memory = "4GB"

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
    retries: 0
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
    while True:
        if (folder / "fail").exists() and "[bold red]" in question:
            raise ValueError(question)
        if (folder / "open").exists():
            return {"asked": question}
        time.sleep(0.05)
"""
_MODES = (b"\x1b[?1049", b"\x1b[?1000", b"\x1b[?1003", b"\x1b[?1006", b"\x1b[?2004", b"\x1b[?1004")
"""What a program may have switched on: another screen, reports of the mouse, of pasting, of focus."""


class Terminal:
    """A program on a pseudo-terminal, which controls it as a window does, and the screen it has drawn."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        columns: int = 120,
        rows: int = 40,
        env: dict[str, str] | None = None,
        controlled: bool = True,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.raw = b""
        self._text: str | None = None
        self._stream = pyte.ByteStream(self.screen)
        self._parent, self._child = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self._child)
        self.process = subprocess.Popen(
            [HALOCTL, *arguments],
            cwd=cwd,
            stdin=self._child,
            stdout=self._child,
            stderr=self._child,
            env={**_inherited(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})},
            start_new_session=True,
            preexec_fn=_take_control if controlled else None,
        )

    def text(self) -> str:
        """What stands on the screen; read off it once for all who ask before something is drawn."""
        if self._text is None:
            # Not `screen.display`: it fails where half a wide character was drawn over.
            cells, columns = self.screen.buffer, range(self.screen.columns)
            lines = ("".join(cells[y][x].data for x in columns) for y in range(self.screen.lines))
            self._text = "\n".join(line.rstrip() for line in lines)
        return self._text

    def wait_for(self, *words: str) -> str:
        """Read until all words are on the screen."""
        return self.wait_until(lambda: all(word in self.text() for word in words), f"no {words}")

    def wait_until(self, there: Callable[[], bool], without: str) -> str:
        """Read until something is so; `without` says what is missing meanwhile."""
        end = time.monotonic() + PATIENCE_S
        while not there():
            assert time.monotonic() < end, f"{without} on:\n{self.text()}"
            assert self.process.poll() is None or self._read(0.2), f"ended; {without} on:\n{self.text()}"
            self._read(0.2)
        return self.text()

    def press(self, keys: str) -> None:
        os.write(self._parent, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """As a person who drags the corner of the window; the kernel tells the program."""
        self.screen.resize(rows, columns)
        self._text = None
        fcntl.ioctl(self._child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

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
        """Whether the terminal is as it was: its modes, the main screen, the cursor, no reports."""
        used = [mode for mode in _MODES if mode + b"h" in self.raw]
        off = all(self.raw.rfind(mode + b"l") > self.raw.rfind(mode + b"h") for mode in used)
        shown = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        return bool(used) and off and shown and termios.tcgetattr(self._child) == self.before

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._parent], [], [], wait_s)
        if ready:
            data = os.read(self._parent, 1 << 16)
            self.raw += data
            self._stream.feed(data)
            self._text = None
        return bool(ready)

    def hang_up(self) -> None:
        """The window is closed: the kernel says so to the program."""
        os.close(self._child)
        os.close(self._parent)
        self._parent = self._child = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._parent >= 0:
            self.hang_up()


def _inherited() -> dict[str, str]:
    """What goes on from these tests to the program, but for the size of a terminal that is not its own."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


def _take_control() -> None:
    """In the child: the terminal controls it, so that resizing and hanging up reach it as signals."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminals() -> Iterator[Callable[..., Terminal]]:
    """`terminals("attach", cwd=…)`: haloctl on a terminal of its own, as Terminal takes it."""
    opened: list[Terminal] = []

    def terminal(*arguments: str, cwd: Path, **how: Any) -> Terminal:
        opened.append(Terminal(*arguments, cwd=cwd, **how))
        return opened[-1]

    yield terminal
    for each in opened:
        each.close()


_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]?", re.DOTALL)
_OURS = re.compile(
    r"\x1b\[(?:[0-9;]*[HmJK]|\?[0-9;]+(?:[hl]|\$p)|[<>=][0-9;]*u|6n|[0-9;]*t|\?[0-9;]*u|[0-9]*[ABCDG])|\x1b[78]"
    r"|\x1b\]22;[a-z-]*\x07"
)
"""What an interface needs: cursor, colours, erasing, modes, questions to the terminal, the pointer."""
_UNWANTED = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Controls, bidirectional and invisible characters: of no use to a screen that is drawn cell by cell."""
MARKS = ("aGFjaw", "hostile", "777", "+q544e", "http://x")
"""What stands inside sequences of hostile text; sequences of our own never have it."""


@pytest.fixture
def foreign() -> Callable[[bytes], list[str]]:
    """`foreign(raw)`: what reached a terminal and is no sequence of the interface's own; should be empty."""

    def found(raw: bytes) -> list[str]:
        text = raw.decode("utf-8")  # raises where a byte was lost or let through
        sequences = set(_SEQUENCE.findall(text))
        ours = {each for each in sequences if _OURS.fullmatch(each) and not any(m in each for m in MARKS)}
        return [*sorted(sequences - ours), *sorted(set(_UNWANTED.findall(_SEQUENCE.sub("", text))))]

    return found


@pytest.fixture
def haloctl() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`haloctl(folder, "resume", …)`: a command without a terminal, to its end."""

    def done(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HALOCTL, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    return done


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with settings, twelve rows, and a workflow whose rows wait for a file called `open`.

    While there is one called `fail`, the row with hostile text fails.
    """
    (tmp_path / "haloctl.toml").write_text(SETTINGS)
    (tmp_path / "gate.yaml").write_text(WORKFLOW)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    rows = [{"id": f"q{at}", "question": HOSTILE if at == 1 else f"what is {at}?"} for at in range(12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def live(place: Path, haloctl: Callable[..., subprocess.CompletedProcess[str]]) -> Iterator[tuple[Path, str]]:
    """The folder with a detached run that waits; the run's name. It does not outlive the test."""
    begun = haloctl(place, "batch", "gate.yaml", "-i", "rows.jsonl", "-o", "out.jsonl", "--detach")
    assert begun.returncode == 0, begun.stderr
    yield place, begun.stdout.strip()
    for run in (place / "runs").iterdir():
        pid = holder_of(run / "lock") if (run / "lock").exists() else None
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
