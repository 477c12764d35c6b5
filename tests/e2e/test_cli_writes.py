"""Writes, and what `resume --retry-failed` does with those that failed or may have happened."""

import fcntl
import json
import sqlite3
import threading
from contextlib import closing

import pytest

pytestmark = pytest.mark.slow

WORKFLOW = """
workflow: writes
inputs: {question: {type: string}}
operators:
  save:
    kind: sql
    database: notes
    query: "INSERT INTO note VALUES ({{ question }})"
    effects: write
outputs: {saved: "{{ save.value }}"}
"""
CALLED = """
workflow: called
inputs: {question: {type: string}}
operators:
  save:
    kind: python
    function: functions.py:append
    arguments: {question: "{{ question }}"}
    effects: write
outputs: {saved: "{{ save }}"}
"""
SETTINGS = """
[databases.notes]
url = "sqlite:notes.db"
"""
APPEND = '''

def append(question):
    """Writes first, and waits then while somebody holds a lock on `gate`."""
    import os
    folder = os.path.dirname(__file__)
    with open(os.path.join(folder, "written"), "a") as written:
        written.write(question + "\\n")
    with open(os.path.join(folder, "gate")) as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)
    return True
'''


def rows_of(place):
    return [json.loads(line) for line in place.read("o.jsonl").splitlines()]


def test_a_write_that_failed_for_certain_can_be_asked_for_again(place):
    place.write("haloctl.toml", place.read("haloctl.toml") + SETTINGS)
    place.write("writes.yaml", WORKFLOW)
    with closing(sqlite3.connect(place.folder / "notes.db")) as notes:
        notes.execute("CREATE TABLE other (text)")
    assert place.run("batch", "writes.yaml", "-i", "questions.csv", "-o", "o.jsonl").returncode == 3
    with closing(sqlite3.connect(place.folder / "notes.db")) as notes:
        notes.execute("CREATE TABLE note (text)")
    questions = place.read("questions.csv")
    place.write("questions.csv", questions + "more\n")
    assert place.run("resume", "last", "--retry-failed").returncode == 65, "a refused resume forgets nothing"
    place.write("questions.csv", questions)
    assert place.run("resume", "last").returncode == 3
    done = place.run("resume", "last", "--retry-failed")
    assert done.returncode == 0, place.read("o.jsonl")
    assert [row["outputs"]["saved"] for row in rows_of(place)] == [1, 1, 1]
    with closing(sqlite3.connect(place.folder / "notes.db")) as notes:
        assert sorted(notes.execute("SELECT text FROM note")) == [("what",), ("what",), ("why",)]


def test_a_write_that_may_have_happened_is_never_repeated(place):
    place.write("called.yaml", CALLED)
    place.write("functions.py", place.read("functions.py") + APPEND)
    place.write("questions.csv", "question\nonce\n")
    place.write("gate", "")
    with open(place.folder / "gate") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        run = place.start("batch", "called.yaml", "-i", "questions.csv", "-o", "o.jsonl")
        while not (place.folder / "written").exists():
            assert run.poll() is None
            threading.Event().wait(0.05)
        run.kill()
        run.wait()
    for flags in ((), ("--retry-failed",)):
        assert place.run("resume", "last", *flags).returncode == 3
        assert rows_of(place)[0]["error"]["code"] == "side_effect_in_doubt"
        assert place.read("written") == "once\n"
