"""What a person at a terminal sees: a bar, no escapes off a terminal, NO_COLOR."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).parent / "haloctl")


def in_terminal(place, *arguments, **environment):
    """Exit code and everything the command wrote to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=place.folder,
        env=place.environment(TERM="xterm-256color", **environment),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        seen += data
    os.close(ours)
    return process.wait(timeout=60), seen.decode("utf-8", "replace")


def test_a_terminal_gets_a_bar_that_goes_away(place):
    code, seen = in_terminal(place, "batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl")
    assert code == 0, seen
    assert "3/3 rows" in seen
    assert "\x1b[?25l" in seen  # the cursor is hidden while the bar is drawn …
    assert "\x1b[?25h" in seen  # … and shown again


def test_plain_progress_on_a_terminal_has_no_escapes(place):
    code, seen = in_terminal(
        place, "batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl", "--progress", "plain"
    )
    assert code == 0, seen
    assert "\x1b" not in seen


def test_the_environment_sets_the_default_of_progress(place):
    done = place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "o.jsonl", HALOCTL_PROGRESS="none")
    assert done.returncode == 0, done.stderr
    assert "rows ·" not in done.stderr


def test_no_color_is_honoured(place):
    place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl")
    _, seen = in_terminal(place, "runs", NO_COLOR="1")
    assert "ask.yaml" in seen
    assert "\x1b[3" not in seen


def test_model_text_cannot_drive_the_terminal(place):
    place.write("q.csv", "question\n\x1b]52;c;aGk=\x07\x1b[2J\x1b[31mred\n")
    in_terminal(place, "batch", "ask.yaml", "-i", "q.csv", "-o", "out.jsonl")
    _, seen = in_terminal(place, "show", "last", "#0")
    assert "red" in seen
    assert "\x1b]52" not in seen
    assert "\x1b[2J" not in seen


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rows_on_a_terminal_cannot_steer_it(place, form):
    hostile = "\x1b]52;c;aGVsbG8=\x07\x1b[2J\x9b31m\x1b]0;title\x07\u202e"
    place.write("questions.csv", f"question\nmild{hostile}end\n")
    arguments = ("batch", "tools_only.yaml", "-i", "questions.csv", "-o", "-", "--output-format", form)
    code, seen = in_terminal(place, *arguments, HALOCTL_PROGRESS="none")
    assert code == 0, seen
    assert "MILD" in seen
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(seen)
    piped = place.run(*arguments, HALOCTL_PROGRESS="none").stdout
    assert ("\x1b" in piped) is (form == "csv")  # a program gets the bytes as they are


def test_tables_on_a_terminal_keep_a_line_a_row_and_the_run_whole(place):
    place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "a-rather-long-name-for-answers.jsonl")
    (run,) = (place.folder / "runs").glob("2*")
    _, seen = in_terminal(place, "runs", COLUMNS="60")
    (row,) = (line for line in seen.splitlines() if run.name in line)
    assert "…" in row
