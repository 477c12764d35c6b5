"""NO_COLOR on a real terminal: not one byte of colour, whatever is looked at."""

from __future__ import annotations

import re

import pytest

_SGR = re.compile(rb"\x1b\[([0-9;:]*)m")


def colours(raw: bytes) -> set[bytes]:
    """Parameters of all sequences that set a colour of text or background; 39 and 49 only take one back."""
    found = set()
    for parameters in _SGR.findall(raw):
        numbers = {int(each) for each in re.split(rb"[;:]", parameters) if each}
        if numbers & {*range(30, 39), *range(40, 49), *range(90, 108)}:
            found.add(parameters)
    return found


def test_a_colour_would_be_noticed():
    for parameters in (b"31", b"1;44", b"38;2;1;2;3", b"48;5;7", b"0;97", b"38:2::1:2:3"):
        assert colours(b"a\x1b[" + parameters + b"mb") == {parameters}
    assert not colours(b"\x1b[0m\x1b[1;7m\x1b[39;49mred")


@pytest.mark.slow
@pytest.mark.parametrize("coloured", [False, True], ids=["NO_COLOR", "in_colour"])
def test_all_pages_and_dialogs_are_drawn_without_colour_where_that_is_wished(live, terminals, coloured):
    folder, _name = live
    (folder / "fail").touch()
    terminal = terminals("attach", cwd=folder, env={} if coloured else {"NO_COLOR": "1"})
    terminal.wait_for("✖ 1 failed", "attached")
    for keys, words in (
        ("2", ("Running now", "Log of left")),
        ("3j", ("python_raised",)),
        ("\r", ("Path of row",)),
        ("j", ("gate/wait",)),
        ("o", ("Calls",)),
        ("6", ("Planned and actual",)),
        ("7", ("run · ", "error: gate/wait")),
        ("?", ("Keys here",)),
        ("q1c", ("Cancel the run?",)),
        ("n", ("Operators",)),
        ("\x10", ("Search",)),
        ("\x1b", ("Operators",)),
        ("3/state:failed\r", ("1 of 12",)),
    ):
        terminal.press(keys)
        terminal.wait_for(*words)
    (folder / "open").touch()
    terminal.wait_for("finished")
    terminal.press("1")
    terminal.wait_for("11 rows ok", "1 failed")
    terminal.press("q")
    assert terminal.ended() == 3
    assert terminal.is_restored()
    assert bool(colours(terminal.raw)) is coloured
