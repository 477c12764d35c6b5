"""Curves in dots and bars in cells: nothing lost, nothing invented, and the old part of a curve stays put."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.plots import Series, braille_rows, condensed, divided, drawn


def dots(rows):
    """How many dots stand in each half column, from the left."""
    heights = [0] * (2 * len(rows[0]))
    for row in rows:
        for cell, character in enumerate(row):
            bits = ord(character) - 0x2800
            heights[2 * cell] += (bits & 0x47).bit_count()
            heights[2 * cell + 1] += (bits & 0xB8).bit_count()
    return heights


def test_a_curve_is_filled_from_below_and_ends_at_the_right():
    assert braille_rows([1, 2, 3, 4], 4, 3, 1) == ["⠀⣠⣾"]
    assert braille_rows([8, 4, 0.01], 8, 2, 2) == ["⢸⠀", "⢸⣇"]


@given(st.lists(st.floats(0, 100), max_size=40), st.integers(1, 10), st.integers(1, 5))
def test_heights_are_in_proportion(points, cells, rows):
    heights = dots(braille_rows(points, 100.0, cells, rows))
    shown = points[-2 * cells :]
    expected = [0] * (2 * cells - len(shown)) + [math.ceil(value / 100 * rows * 4 - 1e-9) for value in shown]
    assert heights == expected


def test_what_is_not_known_is_empty_and_what_is_too_high_is_full():
    assert dots(braille_rows([math.nan, 50.0], 10.0, 1, 2)) == [0, 8]


@given(
    st.lists(st.floats(0, 1000) | st.just(math.nan), max_size=300),
    st.integers(1, 80),
    st.integers(0, 1000),
)
def test_condensing_fills_the_columns_with_means_of_what_is_known(values, columns, start):
    series = Series(values=tuple(values), start_s=float(start))
    points, step_s = condensed(series, columns)
    assert len(points) <= columns
    together = int(step_s)
    assert len(points) == columns or len(points) * together >= len(values)
    assert together == 1 or together <= len(values) / columns
    known = [value for value in values if not math.isnan(value)]
    if together == 1:
        assert points.tolist() == pytest.approx(values[-columns:], nan_ok=True)
    for point in points.tolist():
        assert math.isnan(point) or min(known) - 1e-6 <= point <= max(known) + 1e-6


def test_old_points_do_not_change_when_new_ones_come():
    values = [float(i * 7 % 11) for i in range(300)]
    before, step_s = condensed(Series(values=tuple(values[:150])), 60)
    after, same_s = condensed(Series(values=tuple(values[20:170]), start_s=20.0), 60)
    assert step_s == same_s == 2
    assert after.tolist()[:-10] == before.tolist()[10:]


@given(st.integers(1, 200), st.integers(1, 100))
def test_a_short_series_is_stretched_and_spans_the_time_it_spans(count, columns):
    series = Series(values=tuple(map(float, range(count))))
    points, step_s = drawn(series, columns)
    whole, whole_step_s = condensed(series, columns)
    assert len(points) <= columns
    assert len(points) * step_s == len(whole) * whole_step_s
    assert sorted(set(points.tolist())) == whole.tolist()
    assert 2 * len(points) > columns or len(points) == 8 * len(whole)


@given(st.lists(st.integers(0, 10**6), max_size=8), st.integers(0, 200))
def test_cells_are_divided_whole_and_nobody_is_left_out(values, cells):
    widths = divided(values, cells)
    assert len(widths) == len(values)
    if sum(values) == 0:
        assert set(widths) <= {0}
        return
    assert sum(widths) == cells
    assert all(width == 0 for value, width in zip(values, widths, strict=True) if value == 0)
    present = sum(value > 0 for value in values)
    if present <= cells:
        assert all(width > 0 for value, width in zip(values, widths, strict=True) if value > 0)


@pytest.mark.parametrize(
    ("series", "value", "text"),
    [
        (Series(unit="%", top=1.0), 0.84, "84%"),
        (Series(unit="/s"), 1234.0, "1.2k/s"),
        (Series(unit="/s"), math.nan, "–"),
    ],
)
def test_values_are_shown_with_their_unit(series, value, text):
    assert series.shown(value) == text


def test_the_scale_is_round_or_given():
    assert Series(values=(1.0, 730.0, math.nan)).scale_top == 1000
    assert Series(values=(0.3,), top=1.0).scale_top == 1.0
    assert Series(values=(0.0,)).scale_top == 1.0
