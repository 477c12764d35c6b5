"""The stretch of time on the screen: zooming, panning and following keep what the eye holds on to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.viewport import COARSEST, FINEST, Viewport

views = st.builds(
    lambda first, exponent, cells: Viewport(start_s=first * 2.0**exponent, exponent=exponent, cells=cells),
    st.integers(0, 10_000),
    st.integers(-8, 8),
    st.integers(1, 200),
)


@given(views, st.integers(-3, 3), st.data())
def test_zooming_keeps_the_moment_in_its_column_or_shows_the_beginning(view, steps, data):
    column = data.draw(st.integers(0, view.cells - 1))
    moment = view.moment(column)
    zoomed = view.zoomed(steps, moment)
    assert zoomed.column(moment) == column or zoomed.start_s == 0
    assert 0 <= zoomed.column(moment) < view.cells


@given(views, st.floats(0, 1e4))
def test_fitting_shows_all_and_no_more_than_twice_that(view, end_s):
    fitted = view.fitted(end_s)
    assert fitted.start_s == 0
    assert fitted.end_s >= end_s * (1 - 1e-9)
    assert fitted.end_s <= 2 * end_s * (1 + 1e-6) or fitted.exponent == FINEST


@given(views, st.floats(0, 1e5))
def test_following_keeps_the_end_on_the_screen(view, end_s):
    followed = view.following(end_s)
    assert followed.exponent == view.exponent
    assert 0 <= followed.column(end_s) < view.cells


@given(views, st.floats(0, 1e5))
def test_showing_a_moment_moves_only_when_it_must(view, at_s):
    shown = view.showing(at_s)
    assert 0 <= shown.column(at_s) < view.cells
    if 0 <= view.column(at_s) < view.cells:
        assert shown == view


@pytest.mark.parametrize("steps", [100, -100])
def test_zoom_has_ends(steps):
    assert Viewport(cells=10).zoomed(steps, 0).exponent in (FINEST, COARSEST)


def test_nothing_lies_before_the_beginning():
    assert Viewport(start_s=3, cells=10).panned(-100).start_s == 0


def test_halves_are_two_a_column():
    assert Viewport(start_s=1, exponent=1, cells=2).halves().tolist() == [1, 2, 3, 4, 5]
