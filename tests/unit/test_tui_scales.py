"""Axes: round steps, labels that differ from tick to tick, numbers in few cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.scales import counted, duration, quantity, round_up, time_step, time_ticks


@pytest.mark.parametrize(
    ("start_s", "end_s", "labels"),
    [
        (0, 10, ["0s", "2s", "4s", "6s", "8s", "10s"]),
        (0, 0.05, ["0s", "10ms", "20ms", "30ms", "40ms", "50ms"]),
        (3.2, 3.9, ["3.2s", "3.3s", "3.4s", "3.5s", "3.6s", "3.7s", "3.8s", "3.9s"]),
        (50, 90, ["50s", "55s", "1m00s", "1m05s", "1m10s", "1m15s", "1m20s", "1m25s", "1m30s"]),
        (0, 4000, ["0s", "10m", "20m", "30m", "40m", "50m", "1h00m"]),
        (3599, 3601, ["59m59.0s", "59m59.5s", "1h00m00.0s", "1h00m00.5s", "1h00m01.0s"]),
    ],
)
def test_ticks_are_round(start_s, end_s, labels):
    assert [tick.label for tick in time_ticks(start_s, end_s, 80)] == labels


@given(st.floats(0, 1e5), st.floats(1e-4, 1e5), st.integers(1, 240))
def test_ticks_differ_lie_inside_and_keep_their_distance(start_s, length_s, cells):
    ticks = time_ticks(start_s, start_s + length_s, cells)
    slack = length_s * 1e-6 + 1e-6
    assert len({tick.label for tick in ticks}) == len(ticks)
    assert all(start_s - slack <= tick.at_s <= start_s + length_s + slack for tick in ticks)
    assert len(ticks) <= cells / 10 + 1


def test_no_ticks_where_there_is_no_room():
    assert time_ticks(0, 10, 0) == ()
    assert time_ticks(5, 5, 80) == ()


@given(st.floats(1e-6, 1e6))
def test_steps_are_never_finer_than_asked(least_s):
    assert time_step(least_s) >= least_s * (1 - 1e-6)


@given(st.floats(1e-6, 1e12))
def test_rounding_up_goes_no_further_than_needed(value):
    rounded = round_up(value)
    assert value * (1 - 1e-6) <= rounded <= value * 2.5 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0.400ms"),
        (0.25, "250ms"),
        (1.5, "1.50s"),
        (12.54, "12.5s"),
        (59.999, "1m00.0s"),
        (61, "1m01s"),
        (3600, "1h00m"),
        (7325, "2h02m"),
        (-2, "-2s"),
    ],
)
def test_durations_have_three_digits(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.4, "0s"), (9.2, "9s"), (59.9, "1m00s"), (3599, "59m59s"), (7833, "2h10m33s")],
)
def test_durations_to_the_second_read_as_a_clock(seconds, text):
    assert duration(seconds, 1) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (0.999, "1"),
        (12.34, "12.3"),
        (99.96, "100"),
        (999.7, "1k"),
        (1234, "1.2k"),
        (99_960, "100k"),
        (3.4e7, "34M"),
        (-5, "-5"),
        (float("nan"), "–"),
    ],
)
def test_quantities_are_short(value, text):
    assert quantity(value) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (9999, "9,999"), (10_000, "10k"), (12_340, "12.3k")])
def test_counts_are_written_out_while_they_are_few(number, text):
    assert counted(number) == text
