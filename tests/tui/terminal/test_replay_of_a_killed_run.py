"""A run killed with SIGKILL and never gone on with: its replay shows all there is, and how to go on."""

from __future__ import annotations

import os
import signal

import pytest

from engine.journal.lock import holder_of

pytestmark = pytest.mark.slow


def test_a_replay_of_a_killed_run_shows_every_page_and_tells_how_to_resume(live, terminals, foreign):
    folder, name = live
    (folder / "fail").touch()
    watching = terminals("attach", cwd=folder)
    watching.wait_for("✖ 1 failed")
    (folder / "fail").unlink()
    pid = holder_of(folder / "runs" / name / "lock")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    watching.wait_for("✖ gone")
    watching.press("q")
    assert watching.ended() == 75

    terminal = terminals("replay", name, cwd=folder, rows=50)
    terminal.wait_for("replay", "Operators", "◐ running")
    terminal.press("]" * 30)
    told = ("■ interrupted", "it was killed, or crashed", f"haloctl resume {name}")
    for keys, words in (
        ("1", ("Operators", "answer")),
        ("2", ("Lanes", "Under way when it ended")),
        ("3", ("12 rows", "✖ failed", "python_raised", "· pending")),
        ("j\r", ("Path of row 1", "✖ failed", "[bold red]raw[/]")),
        ("j", ("gate/wait", "✖ failed", "Call")),
        ("o", ("Calls", "tool python")),
        ("6", ("Planned and actual",)),
        ("7", ("run · ", "begins", "error: gate/wait")),
    ):
        terminal.press(keys)
        terminal.wait_for(*told, *words)
        terminal.wait_until(lambda: "◐ running" not in terminal.text(), "something is said to be running")
    terminal.press("[")
    terminal.wait_until(lambda: "■ interrupted" not in terminal.text(), "still at the end")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()
    assert not foreign(terminal.raw)
    after = terminal.raw.decode().rpartition("\x1b[?1049l")[2]
    assert "it was killed, or crashed" in after
    assert f"haloctl resume {name}" in after
