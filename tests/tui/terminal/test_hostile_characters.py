"""Characters that a terminal would obey or hide, in rows, outputs, errors and logs: none reaches it raw."""

from __future__ import annotations

import json

import pytest

STRINGS = {
    "osc": "\x1b]52;c;aGFjaw==\x07",
    "osc_st": "\x1b]8;;http://x\x1b\\",
    "title": "\x1b]0;hostile\x07",
    "dcs": "\x1bP+q544e\x1b\\",
    "sos": "\x1bXhostile\x1b\\",
    "pm": "\x1b^hostile\x1b\\",
    "apc": "\x1b_hostile\x1b\\",
    "c1_osc": "\x9d52;c;aGFjaw==\x9c",
    "c1_osc_bel": "\x9d0;hostile\x07",
    "c1_dcs": "\x90+q544e\x9c",
    "c1_sos": "\x98hostile\x9c",
    "c1_pm": "\x9ehostile\x9c",
    "c1_apc": "\x9fhostile\x9c",
    "csi": "\x1b[777;777H",
    "sgr": "\x1b[38;5;777m",
    "private": "\x1b[?777h",
    "size": "\x1b[8;777;777t",
    "c1_csi": "\x9b777;777H",
    "reset": "\x1bc",
    "charset": "\x1b(0",
    "fill": "\x1b#8",
}
CHARACTERS = {
    "c1": [chr(code) for code in range(0x80, 0xA0) if code not in (0x90, 0x98, 0x9B, 0x9D, 0x9E, 0x9F)],
    "c0": [chr(code) for code in (*range(0x01, 0x09), *range(0x0B, 0x1B), *range(0x1C, 0x20), 0x7F)],
    "bidi": [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))],
    "unseen": [chr(code) for code in (0x200B, 0x200C, 0x200D, *range(0x2060, 0x2065), 0xFEFF)],
    "lines": ["\u2028", "\u2029", "\x85"],
}
UNENDED = ("\x1b]52;c;aGFjaw", "\x9d52;c;aGFjaw", "\x1bP+q544e", "\x90+q544e", "\x1b[777", "\x9b777", "\x1b")
TEXTS = {
    **{name: f"{text}seen" for name, text in STRINGS.items()},
    **{name: "".join(f"{each}{at}" for at, each in enumerate(found)) for name, found in CHARACTERS.items()},
    **{f"unended_{at}": text for at, text in enumerate(UNENDED)},
}
"""Name → text that begins with it once it is on a screen."""


@pytest.mark.parametrize(
    "text", [*STRINGS.values(), *(each for found in CHARACTERS.values() for each in found)]
)
def test_what_must_not_reach_a_terminal_would_be_noticed(foreign, text):
    before = "\x1b[?1049h\x1b[31mred \x1b[1;1H"
    assert not foreign(before.encode())
    assert foreign(f"{before}{text}after".encode())


@pytest.fixture
def hostile(place):
    """The folder with hostile rows: each twice, the second one fails. Nothing waits."""
    rows = []
    for fails in ("", "[bold red]"):
        for name, text in TEXTS.items():
            rows.append({"id": f"{name}{text}", "question": f"{name}{fails} {text}"})
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "open").touch()
    (place / "fail").touch()
    return place


@pytest.mark.slow
def test_no_character_of_data_is_obeyed_or_hidden_on_any_page(hostile, terminals, foreign):
    terminal = terminals("run", "gate.yaml", "-i", "rows.jsonl", cwd=hostile, columns=140, rows=50)
    good = len(TEXTS)
    terminal.wait_for("finished", f"{good} rows ok", f"{good} failed")
    for log in (hostile / "runs").rglob("*.log"):
        log.write_text("".join(f"log {name} {text}\n" for name, text in TEXTS.items()))
    terminal.press("3")
    terminal.wait_for("Error", *TEXTS)
    terminal.press("\r")
    for number, name in enumerate(TEXTS):
        terminal.wait_for(f"Path of row {number}", name)
        terminal.press("jjj")
        terminal.wait_for("gate/echoed", "Result", "Prompt: user", f"{name} ")
        terminal.press("gn")
    terminal.press("3G\r")
    terminal.wait_for(f"Path of row {2 * good - 1}", "python_raised", f"{[*TEXTS][-1]}[bold red]")
    for keys, words in (
        ("j", ("gate/wait", "✖ failed", "Error")),
        ("o", ("Calls", "tool python", "✖ failed")),
        ("1", ("Operators",)),
        ("2", ("Log of left",)),
        ("6", ("Planned and actual",)),
        ("7", ("error: gate/wait", "c1_apc[bold red]")),
        ("\x1b[Zj", ("coordinator · ", *(f"log {name}" for name in TEXTS))),
        ("j", ("left · ", *(f"log {name}" for name in TEXTS))),
    ):
        terminal.press(keys)
        terminal.wait_for(*words)
    terminal.press("q")
    assert terminal.ended() == 3
    assert terminal.is_restored()
    assert not foreign(terminal.raw)
