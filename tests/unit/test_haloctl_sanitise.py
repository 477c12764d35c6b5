"""The sanitiser: no escape sequence, control character or bidirectional mark reaches a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haloctl.sanitise import clean, clean_line


@pytest.mark.parametrize(
    "payload",
    [
        "\x1b]52;c;aGk=\x07",
        "\x1b]52;c;aGk=\x1b\\",
        "\x1b]0;title\x07",
        "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
        "\x1b[2J\x1b[H",
        "\x1b[31mred\x1b[0m",
        "\x9b31m",
        "\x9d52;c;aGk=\x9c",
        "\x1bP+q544e\x1b\\",
        "\x1bc",
        "\x1b(0",
        "\u202egnp.exe\u202c",
        "\u2066\u2069\u200e\ufeff\u2028",
        "\x00\x07\x08\x7f\x85\r",
        "\ud800",
        "\x1b",
        "\x1b]52;c;never ended",
    ],
)
def test_payloads_leave_only_plain_text(payload):
    text = clean(f"before {payload} after")
    assert text.startswith("before ")
    assert all(c.isprintable() or c in "\n\t" for c in text)
    assert "aGk=" not in text
    assert "evil" not in text


def test_ordinary_text_stays():
    text = "Größe 10 €\n\t日本語 👩‍👩‍👧 x²"
    assert clean(text) == text


def test_one_line_with_a_width():
    assert clean_line("a\r\nb\t c") == "a b c"
    assert clean_line("abcdef", 4) == "abc…"


@given(st.text())
def test_anything_in_something_harmless_and_stable_out(text):
    once = clean(text)
    assert not set(once) & {chr(c) for c in (*range(9), *range(11, 32), *range(127, 160))}
    assert clean(once) == once
    once.encode()
