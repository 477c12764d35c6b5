"""How a run's process ended: said of a child that worked on the run last, and of nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.journal.folder import LOCK_NAME
from haloctl.process_end import UNKNOWN, end_of, ended_words

HOLD = """
import os, signal, sys
from pathlib import Path
from engine.journal.lock import RunLock
held = RunLock(Path(sys.argv[1]))
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
os._exit(int(sys.argv[2]))
"""


@pytest.fixture
def directory(tmp_path):
    return tmp_path


def holder(directory, end: str) -> subprocess.Popen[bytes]:
    """A child that held the run and ended so; the test does not wait for it."""
    return subprocess.Popen([sys.executable, "-c", HOLD, str(directory / LOCK_NAME), end])


def test_a_child_that_was_killed_is_said_to_be(directory):
    child = holder(directory, "killed")
    child.wait()
    assert end_of(directory, child) == (
        "the run's process was killed (SIGKILL): by someone, or by the system when memory ran out"
    )


def test_a_child_that_gave_up_says_its_code(directory):
    child = holder(directory, "74")
    child.wait()
    assert "ended with exit code 74: a disk error" in end_of(directory, child)


def test_nothing_is_said_of_a_run_that_somebody_else_went_on_with(directory):
    first, second = holder(directory, "70"), None
    first.wait()
    second = holder(directory, "killed")
    second.wait()
    assert end_of(directory, first) == UNKNOWN
    assert end_of(directory, None) == UNKNOWN
    assert "SIGKILL" in end_of(directory, second)


@pytest.mark.parametrize(
    ("code", "words"),
    [(-15, "ended by SIGTERM"), (-99, "ended by signal 99"), (42, "exit code 42: not one of haloctl's own")],
)
def test_ends_are_put_into_words(code, words):
    assert words in ended_words(code)
