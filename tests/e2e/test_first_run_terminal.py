"""`haloctl run` on a real terminal: from nothing to an answer, and nothing left behind however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import psutil
import pyte
import pytest

from haloctl.session.server import FIRST_CONTACT_S

COMMAND = Path(sys.executable).parent / "haloctl"
COLUMNS, ROWS = 100, 30
PATIENCE_S = 120.0
STILL_S = 45.0
"""Where words are missing, a screen that stands still for so long will not show them any more."""
ECHO = '[models.toy]\nbackend = "echo"\n'
ASK = """
workflow: ask
inputs:
  question: {type: string}
  year: {type: integer, default: 0}
models: {m: toy}
operators:
  answer: {kind: llm, model: m, prompt: "Q: {{ question }}", max_tokens: 12}
outputs: {answer: "{{ answer }}"}
"""


class Terminal:
    """`haloctl run` on a pseudo-terminal, and what stands on its screen."""

    def __init__(self, folder: Path) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [COMMAND, "run"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
        os.close(slave)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.master, key.encode())

    def wait_for(self, words: str, seconds: float = STILL_S) -> None:
        """Until the words stand on the screen; fails when nothing has changed on it for so many seconds."""
        end, before = time.monotonic() + PATIENCE_S, self.text
        still = time.monotonic() + seconds
        while words not in self.text:
            if not self._read():
                self._fail(f"the command ended with {self.process.poll()} without {words!r}")
            now = time.monotonic()
            if self.text != before:
                before, still = self.text, now + seconds
            if now > min(still, end):
                self._fail(f"{words!r} did not come; the screen has not changed for {seconds:g} s")

    def _fail(self, why: str) -> NoReturn:
        """The test fails, with the last screen and without the lines of this file."""
        frame = "─" * COLUMNS
        screen = "\n".join(line.rstrip() for line in self.screen.display)
        pytest.fail(f"{why}\n{frame}\n{screen}\n{frame}", pytrace=False)

    def wait_end(self) -> int:
        """Its exit code; what it writes until then is on the screen."""
        while self._read():
            pass
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def _read(self) -> bool:
        """Take what comes within a second; False at the end."""
        ready, _, _ = select.select([self.master], [], [], 1.0)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # the other end of a pseudo-terminal is closed
            return False
        self._stream.feed(data)
        return bool(data)


def environment(folder: Path) -> dict[str, str]:
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HALOCTL_", "XDG_"))}
    return {
        **kept,
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }


def sessions(folder: Path) -> list[psutil.Process]:
    """Session processes that were started in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "haloctl.session" in command and any(str(folder) in part for part in command):
            found.append(process)
    return found


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    try:
        yield opened
    finally:
        opened.close()
        for process in sessions(tmp_path):
            process.kill()


@pytest.fixture
def on_echo(tmp_path: Path) -> Path:
    (tmp_path / "haloctl.toml").write_text(ECHO)
    (tmp_path / "ask.yaml").write_text(ASK)
    return tmp_path


@pytest.mark.slow
def test_a_new_user_gets_a_shipped_query_answered_without_knowing_anything(
    tmp_path: Path, terminal: Terminal
):
    """No settings, no files: the first workflow, a typed question, the plan, the run, the answer."""
    terminal.wait_for("market-brief")
    terminal.wait_for("user_query")
    terminal.press("\r")
    terminal.wait_for("First 20 rows")
    terminal.press("\x14")
    terminal.wait_for("enter adds it")
    terminal.press("How did AUTOMOBILE do in EUROPE in 1997?", "\r")
    terminal.wait_for("To ask: 1")
    terminal.press("\r")
    terminal.wait_for("nothing to load")
    terminal.press("\r")
    terminal.wait_for("1/1 rows")
    terminal.wait_for("Finished")
    terminal.wait_for("asks something else")
    terminal.press("q")
    terminal.wait_for("Answers")
    terminal.wait_for("How did AUTOMOBILE do in EUROPE in 1997?")
    terminal.press("\x1b")
    terminal.wait_for("nothing runs without your yes")
    terminal.press("q")
    assert terminal.wait_end() == 0
    assert "is done: haloctl show" in terminal.text
    [row] = [json.loads(line) for line in (tmp_path / "market-brief-answers.jsonl").read_text().splitlines()]
    assert row["status"] == "ok"
    psutil.wait_procs(sessions(tmp_path), timeout=30)
    assert sessions(tmp_path) == []


@pytest.mark.slow
def test_keys_typed_in_one_go_fill_a_form_of_several_fields_line_by_line(on_echo: Path, terminal: Terminal):
    terminal.wait_for("market-brief")
    terminal.press("\r")
    terminal.wait_for("enter adds it")
    terminal.press("why\t1997\rhow\t1998\rwhen\rhalf")
    terminal.wait_for("To ask: 3")
    terminal.wait_for("half")
    rows = [" ".join(line.strip(" │").split()) for line in terminal.screen.display]
    assert {"why 1997", "how 1998"} <= set(rows)
    with pytest.raises(pytest.fail.Exception, match="'nowhere' did not come") as failed:
        terminal.wait_for("nowhere", seconds=1.0)
    assert "To ask: 3" in str(failed.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_however_the_front_end_dies_its_session_ends(on_echo: Path, terminal: Terminal, number: int):
    terminal.wait_for("market-brief")
    terminal.press("\r")
    terminal.wait_for("enter adds it")
    terminal.press("why", "\r")
    terminal.wait_for("To ask: 1")
    terminal.press("\r")
    terminal.wait_for("to load")
    [session] = sessions(on_echo)
    workers = session.children(recursive=True)
    terminal.process.send_signal(number)
    code = terminal.wait_end()
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    _gone, alive = psutil.wait_procs([session, *workers], timeout=60)
    assert alive == []


def test_who_leaves_at_once_leaves_no_session_behind(on_echo: Path, terminal: Terminal):
    terminal.wait_for("market-brief")
    terminal.press("q")
    assert terminal.wait_end() == 0
    _gone, alive = psutil.wait_procs(sessions(on_echo), timeout=FIRST_CONTACT_S / 2)
    assert alive == []


def test_without_a_terminal_it_says_what_to_use_instead(tmp_path: Path):
    ran = subprocess.run(
        [COMMAND, "run"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 2
    assert "terminal" in ran.stderr
    assert "haloctl batch" in ran.stderr
    assert sessions(tmp_path) == []
