"""`haloctl run WORKFLOW -i ROWS` paints before it plans; what is wrong is told as without a screen."""

from __future__ import annotations

import os
import threading

import pytest

pytestmark = pytest.mark.slow
RUN = ("run", "gate.yaml", "-i", "rows.jsonl")


def test_the_frame_stands_before_the_run_is_planned_and_then_follows_it(place, terminals):
    (place / "open").touch()
    terminal = terminals(*RUN, cwd=place)
    terminal.wait_for("finished", "12 rows ok")
    assert 0 < terminal.raw.index(b"connecting") < terminal.raw.index(b"attached")
    assert b"the run is being planned" in terminal.raw
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()


def test_who_leaves_while_it_is_being_planned_learns_how_to_come_back(place, terminals):
    terminal = terminals(*RUN, cwd=place)
    terminal.wait_for("connecting")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()
    assert b"come back with: haloctl attach" in terminal.raw
    back = terminals("attach", cwd=place)
    back.wait_for("running", "attached")
    (place / "open").touch()
    back.wait_for("finished", "12 rows ok")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "gone.yaml", "-i", "rows.jsonl"), "gone.yaml"),
        (("run", "gate.yaml", "-i", "gone.jsonl"), "gone.jsonl"),
        (("run", "wrong.yaml", "-i", "rows.jsonl"), "prompt"),
    ],
)
def test_what_is_wrong_is_told_on_the_terminal_that_was_given_back(
    place, terminals, haloctl, arguments, words
):
    (place / "wrong.yaml").write_text((place / "gate.yaml").read_text().replace("prompt", "promt"))
    refused = haloctl(place, "batch", *arguments[1:], "-o", "out.jsonl")
    assert words in refused.stderr
    terminal = terminals(*arguments, cwd=place, columns=200)
    assert terminal.ended() == refused.returncode != 0
    assert terminal.is_restored()
    assert refused.stderr.splitlines()[0] in terminal.text()
    assert "fix" in terminal.text()


def test_rows_out_of_a_pipe_are_read_once_behind_the_picture(place, terminals):
    """Whoever opens it again waits for ever: nobody writes into it a second time."""
    (place / "open").touch()
    os.mkfifo(place / "pipe.jsonl")
    text = (place / "rows.jsonl").read_text()
    feeding = threading.Thread(target=lambda: (place / "pipe.jsonl").write_text(text), daemon=True)
    terminal = terminals("run", "gate.yaml", "-i", "pipe.jsonl", cwd=place)
    terminal.wait_for("connecting")
    feeding.start()
    terminal.wait_for("finished", "12 rows ok")
    terminal.press("q")
    assert terminal.ended() == 0
    feeding.join()
