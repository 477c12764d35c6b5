"""Curves and the guess used before calibration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ir.ids import ModelName
from engine.profiles.curves import monotone, scaled_curve, value_at
from engine.profiles.defaults import default_model_profile
from engine.profiles.device import describe_device

POINTS = ((10.0, 1.0), (20.0, 3.0), (40.0, 4.0))


@pytest.mark.parametrize(
    ("x", "y"), [(1, 1.0), (10, 1.0), (15, 2.0), (20, 3.0), (30, 3.5), (40, 4.0), (60, 5.0)]
)
def test_value_between_and_beyond_points(x, y):
    assert value_at(POINTS, x) == pytest.approx(y)


def test_value_of_degenerate_curves():
    assert value_at((), 5) == 0.0
    assert value_at(((3.0, 7.0),), 100) == 7.0


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), unique_by=lambda point: point[0]))
def test_monotone_curves_never_fall(points):
    values = [y for _, y in monotone(tuple(points))]
    assert values == sorted(values)
    assert len(values) == len(points)


def test_correction_scales_every_point():
    assert scaled_curve(POINTS, 2.0).points == ((10.0, 2.0), (20.0, 6.0), (40.0, 8.0))


def test_guess_grows_with_size_and_batch_and_says_that_it_is_one():
    small, large = (
        default_model_profile(ModelName("m"), "cpu", model_bytes=size, kv_bytes_per_token=64, threads=2)
        for size in (10**7, 10**10)
    )
    assert not small.measured
    assert large.load_s > small.load_s > 0
    assert small.restore_s_per_token < small.prefill.points[2][1] / 128
    for curve in (small.prefill, small.decode, large.prefill, large.decode):
        assert list(curve.points) == list(monotone(curve.points))
    assert large.decode.points[0][1] > 100 * small.decode.points[0][1]


def test_device_names_threads_and_processor(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some   CPU @ 2GHz\n")
    assert describe_device(3, cpuinfo) == "cpu:3:Some CPU @ 2GHz"
    assert describe_device(None, tmp_path / "none").startswith("cpu:")
