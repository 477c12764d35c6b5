"""Own keys and another theme, from a settings file to what a terminal shows; wrong ones are refused."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

OWN = """
[tui]
theme = "light"

[tui.keys]
"run.detach" = "f4"
"page.plan" = "P"
"""
F4 = "\x1bOS"


def background(terminal, words):
    """The background of the cell where some words begin."""
    for at, line in enumerate(terminal.screen.display):
        if words in line:
            return terminal.screen.buffer[at][line.index(words)].bg
    raise AssertionError(f"no {words!r} on:\n{terminal.text()}")


def test_own_keys_and_the_light_theme_of_a_settings_file_hold_on_a_terminal(place, trace, terminals):
    (place / "haloctl.toml").write_text((place / "haloctl.toml").read_text() + OWN)
    terminal = terminals("replay", str(trace), cwd=place)
    terminal.wait_for("Operators", "topic", "f4 Leave")
    assert background(terminal, "Operators") == "fafaf8"
    terminal.press("2")
    terminal.wait_for("Log of left")
    terminal.press("6q?")  # the keys these had before, and what the keys of this page are
    terminal.wait_for("Keys here")
    terminal.press("\x1b")
    terminal.wait_until(lambda: "Keys here" not in terminal.text(), "the help stays")
    terminal.wait_for("Log of left")
    terminal.press("P")
    terminal.wait_for("Epochs by workers")
    terminal.press(F4)
    assert terminal.ended() == 0
    assert terminal.is_restored()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('"run.pause" = "pgup"', ["[tui.keys]", "there is no key 'pgup'", "did you mean 'pageup'?"]),
        ('"run.puase" = "p"', ["[tui.keys]", "there is no such binding", "did you mean 'run.pause'?"]),
    ],
)
@pytest.mark.parametrize("command", [("replay", "last"), ("run",), ("run", "gate.yaml", "-i", "rows.jsonl")])
def test_a_wrong_key_is_told_with_file_line_and_fix_before_anything_begins(
    place, terminals, command, line, says
):
    text = (place / "haloctl.toml").read_text() + f"\n[tui.keys]\n{line}\n"
    (place / "haloctl.toml").write_text(text)
    terminal = terminals(*command, cwd=place, columns=200)
    assert terminal.ended() == 2
    shown = terminal.text()
    assert f"haloctl.toml:{len(text.splitlines())}: " in shown
    for words in says:
        assert words in shown
    assert not (place / "runs").exists()
