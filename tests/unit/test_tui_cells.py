"""Text cut to cells: exactly as wide as asked, harmless, and cheap for any length."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from haloctl.tui.cells import fit, fit_middle, one_line


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 5, "abc  "),
        ("abcdef", 5, "abcd…"),
        ("日本語テキスト", 6, "日本… "),
        ("[red]x[/]", 9, "[red]x[/]"),
        ("a\nb\tc", 5, "a b c"),
        ("\u202eabc\u202c", 3, "abc"),
        ("a\u200bb\ufeffc", 3, "abc"),
        ("👩\u200d👩\u200d👧!", 7, "👩👩👧!"),
        ("\x1b]52;c;aGk=\x07x\x1b[31my", 2, "xy"),
        ("abc", 0, ""),
    ],
)
def test_text_fits_its_cells(text, width, shown):
    assert fit(text, width) == shown


def test_numbers_stand_at_the_right():
    assert fit("42", 5, "right") == "   42"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("worker-12", 7, "wor…-12"),
        ("worker-12", 9, "worker-12"),
        ("worker-12", 4, "wo…2"),
        ("日本語テキスト", 5, "日本…"),
        ("ab", 1, "…"),
    ],
)
def test_names_that_differ_at_their_end_stay_apart(text, width, shown):
    assert fit_middle(text, width) == shown


@given(st.text(), st.integers(0, 30))
def test_any_text_takes_exactly_its_cells(text, width):
    shown = fit(text, width)
    assert cell_len(shown) == cell_len(fit_middle(text, width)) == width
    assert shown.isprintable() or not shown


@given(st.text(max_size=20))
def test_what_fits_is_not_cut(text):
    assert "…" in text or "…" not in one_line(text, 400)


def test_a_megabyte_is_not_read_to_show_ten_cells():
    """A limit far above what ten cells cost, far below what cleaning all of it costs a thousand times."""
    text = "ÿ\x1b[31m" * 200_000
    started = time.perf_counter()
    for _ in range(1000):
        fit(text, 10)
    assert time.perf_counter() - started < 10
