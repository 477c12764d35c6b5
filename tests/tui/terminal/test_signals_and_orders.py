"""What reaches an interface from outside, and what it sends: signals, another size, orders to the engine."""

from __future__ import annotations

import signal

import pytest

from engine.journal.folder import FILE_NAME
from engine.journal.lock import holder_of
from engine.journal.view import RunView

pytestmark = pytest.mark.slow

SHOWS = {
    "attach": (("attach",), ("running", "attached")),
    "run": (("run", "gate.yaml", "-i", "rows.jsonl"), ("running", "attached", "0/12")),
    "replay": (("replay", "last"), ("replay", "Operators", "wait")),
}
"""What a person may be in → its command, and the words of a screen that stands."""


def runs_of(folder):
    return {path.name for path in (folder / "runs").iterdir() if (path / FILE_NAME).exists()}


def told(folder, name):
    """The events of a run so far, by their names."""
    with RunView(folder / "runs" / name) as view:
        return [type(event).__name__ for event in view.events()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("shown", SHOWS)
def test_a_signal_gives_the_terminal_back_and_leaves_every_run_alone(live, terminals, shown, number):
    folder, name = live
    command, words = SHOWS[shown]
    terminal = terminals(*command, cwd=folder)
    terminal.wait_for(*words)
    watched = {name} if shown != "run" else runs_of(folder) - {name}
    terminal.process.send_signal(number)
    assert terminal.ended() == 128 + number
    assert terminal.is_restored()
    assert b"Traceback" not in terminal.raw
    assert len(watched) == 1
    assert all(holder_of(folder / "runs" / each / "lock") is not None for each in {name, *watched})


@pytest.mark.parametrize("shown", SHOWS)
def test_a_closed_window_ends_the_interface_and_no_run(live, terminals, shown):
    folder, name = live
    command, words = SHOWS[shown]
    terminal = terminals(*command, cwd=folder)
    terminal.wait_for(*words)
    terminal.hang_up()
    assert terminal.process.wait(60) == 128 + signal.SIGHUP
    assert all(holder_of(folder / "runs" / each / "lock") is not None for each in {name, *runs_of(folder)})


def test_a_terminal_that_is_gone_without_a_signal_ends_the_interface_too(live, terminals):
    folder, name = live
    terminal = terminals("attach", cwd=folder, controlled=False)
    terminal.wait_for("running", "attached")
    terminal.hang_up()
    assert terminal.process.wait(60) == 128 + signal.SIGHUP
    assert holder_of(folder / "runs" / name / "lock") is not None


def test_orders_reach_the_engine_and_cancelling_asks_first(live, terminals):
    folder, name = live
    terminal = terminals("attach", cwd=folder)

    def engine_says(event):
        terminal.wait_until(lambda: event in told(folder, name), f"the journal has no {event}")

    terminal.wait_for("◐ running", "attached")
    terminal.press("p")
    terminal.wait_for("◐ paused")
    engine_says("RunPaused")
    terminal.press("p")
    terminal.wait_for("◐ running")
    engine_says("RunContinued")
    (folder / "fail").touch()
    terminal.wait_for("✖ 1 failed")
    (folder / "fail").unlink()
    terminal.press("r")
    terminal.wait_for("0 failed", "1 row run again")
    engine_says("RowsRequeued")
    terminal.press("c")
    terminal.wait_for("Cancel the run?", "12 rows are not done")
    terminal.press("n")
    terminal.wait_until(lambda: "Cancel the run?" not in terminal.text(), "the question is still there")
    assert "RunDraining" not in told(folder, name)
    terminal.press("c")
    terminal.wait_for("Cancel the run?")
    terminal.press("y")
    terminal.wait_for("◐ stopping")
    engine_says("RunDraining")
    (folder / "open").touch()
    terminal.wait_for("■ stopped", f"haloctl resume {name}")
    terminal.press("q")
    assert terminal.ended() == 75
    assert terminal.is_restored()


def fills(screen):
    """Whether what is drawn reaches all edges: the status line, the keys, and a border at the right."""
    *lines, keys = screen.display
    return "running" in lines[0] and keys.strip() and any(line[-1] in "╮│╯" for line in lines)


def test_another_size_is_drawn_on_every_page(live, terminals):
    folder, _name = live
    terminal = terminals("attach", cwd=folder, columns=120, rows=40)
    terminal.wait_for("running", "attached", "Operators")
    for page in "1234567":
        terminal.press(page)
        for columns, rows in ((80, 24), (200, 50), (60, 20), (120, 40)):
            terminal.resize(columns, rows)
            terminal.screen.erase_in_display(2)
            terminal.wait_until(lambda: fills(terminal.screen), f"page {page} does not fill {columns}x{rows}")
    terminal.press("q")
    assert terminal.ended() == 0
    assert terminal.is_restored()
