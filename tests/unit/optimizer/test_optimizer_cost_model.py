"""Curves, inference and residency."""

import pytest

from engine.errors import PlanError
from engine.ir.cost import Curve
from engine.optimizer.cost_model import Work, evaluate, inference, kv_tokens, make_resident
from engine.testing.planning import model_profile, profiles

GIGABYTE = 1 << 30


def worker(*models, memory_gb=2, kv=0):
    made = [model_profile(m, load_s=2.0, model_bytes=GIGABYTE, kv_bytes_per_token=kv) for m in models]
    return profiles(made, memory_bytes=memory_gb * GIGABYTE).workers[0]


@pytest.mark.parametrize(("x", "y"), [(0, 0), (5, 1.0), (10, 1.0), (15, 1.5), (20, 2.0), (40, 4.0), (1, 0.5)])
def test_curves_interpolate_extrapolate_and_keep_a_fixed_cost(x, y):
    curve = Curve(points=((10.0, 1.0), (20.0, 2.0)))
    assert evaluate(curve, x) == pytest.approx(y if x != 5 else 0.5)


def test_a_dip_in_measured_points_is_noise():
    curve = Curve(points=((1.0, 1.0), (2.0, 0.5), (3.0, 2.0)))
    values = [evaluate(curve, x / 10) for x in range(10, 60)]
    assert values == sorted(values)
    assert evaluate(Curve(points=((1.0, 1.0), (2.0, 0.5))), 9.0) == 1.0


def test_inference_decodes_full_batches_and_a_rest():
    profile = worker("m").models[0]
    one = inference(profile, 16, Work(nodes=1, distinct_tokens=2000, output_tokens=10))
    assert (one.prefill_s, one.decode_s) == pytest.approx((1.0, 0.1))
    many = inference(profile, 16, Work(nodes=33, distinct_tokens=6000, output_tokens=10))
    assert many.decode_s == pytest.approx(2 * 0.2 + 0.1)
    assert many.prefill_s == pytest.approx(3.0)
    assert many.last_s == pytest.approx(1.0 + 0.1)
    warm = inference(profile, 16, Work(nodes=33, distinct_tokens=6000, output_tokens=10), 5000)
    assert warm.prefill_s == pytest.approx(0.5)


def test_the_least_recently_used_model_makes_room():
    two = worker("a", "b", "c")
    switch = make_resident(two, ("a", "b"), "c")
    assert (switch.evicted, switch.resident, switch.loads, switch.seconds) == (("a",), ("b", "c"), 1, 2.0)
    again = make_resident(two, ("a", "b"), "a")
    assert (again.loads, again.resident) == (0, ("b", "a"))


def test_a_model_larger_than_memory_is_refused():
    with pytest.raises(PlanError):
        make_resident(worker("a", memory_gb=0), (), "a")
    with pytest.raises(PlanError):
        make_resident(worker("a"), (), "unknown")


def test_prefix_tokens_are_bounded_by_memory_beside_the_models():
    assert kv_tokens(worker("a", kv=1 << 20), ("a",), "a") == 1024
    assert kv_tokens(worker("a"), ("a",), "a") == float("inf")
