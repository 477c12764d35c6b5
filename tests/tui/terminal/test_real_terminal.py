"""The interface through a real pseudo-terminal, over real runs: joined, left, killed, come back to."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from engine.journal.lock import holder_of

pytestmark = pytest.mark.slow

HOSTILE = "\x1b]52;c;aGFjaw==\x07 [bold red]raw[/] \u202eright \x1b[2J \x1b]8;;http://x\x07link"


def test_a_person_joins_looks_around_and_leaves_and_the_run_goes_on(live, terminals, foreign):
    folder, name = live
    terminal = terminals("attach", cwd=folder)
    terminal.wait_for(name, "running", "0/12", "Operators", "wait", "attached")
    terminal.press("3")
    terminal.wait_for("what is 11?", "[bold red]raw[/]")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()
    assert f"come back with: haloctl attach {name}".encode() in terminal.raw
    assert not foreign(terminal.raw)
    assert holder_of(folder / "runs" / name / "lock") is not None


def test_a_killed_run_is_said_to_be_gone_and_joined_again_when_it_is_back(live, terminals, haloctl):
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


def test_a_batch_is_begun_and_watched_in_one_go_and_hostile_text_is_text_everywhere(live, terminals, foreign):
    folder, name = live
    (folder / "fail").touch()
    (folder / "open").touch()
    terminal = terminals("run", "gate.yaml", "-i", "rows.jsonl", cwd=folder)
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
    assert not foreign(terminal.raw)
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


def test_without_a_terminal_the_interface_says_what_to_do_instead(live, haloctl):
    folder, name = live
    begun = {path.name for path in (folder / "runs").iterdir()}
    for arguments in (
        ("attach", name, "--progress", "rich"),
        ("replay", name),
        ("run", "gate.yaml", "-i", "rows.jsonl"),
        ("run",),
    ):
        refused = haloctl(folder, *arguments)
        assert refused.returncode == 2
        assert "needs a terminal" in refused.stderr
        assert "fix: without one: haloctl" in refused.stderr
    assert {path.name for path in (folder / "runs").iterdir()} == begun
