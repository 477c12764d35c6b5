"""Figures of viewers over rounds: compared within a round, with how far the rounds differ."""

from __future__ import annotations

import pytest

from bench.control import BASE, CROWDS, line, over_rounds


def a_round(base_s, crowd_s):
    return {
        name: {
            "makespan_s": seconds,
            "cpu_us_per_node": 100.0 * seconds,
            "channel_share": 0.01,
            "steps_told": 7,
        }
        for name, seconds in ((BASE, base_s), ("1 viewer", crowd_s))
    }


def test_a_crowd_is_compared_with_the_base_of_its_own_round():
    # A machine that is twice as slow in the second round makes no viewer dearer.
    found = over_rounds([a_round(1.0, 1.1), a_round(2.0, 2.2), a_round(1.0, 1.3)], "1 viewer")
    assert found["makespan_ratio"] == pytest.approx(1.1)
    assert (found["makespan_ratio_min"], found["makespan_ratio_max"]) == pytest.approx((1.1, 1.3))
    assert found["cpu_ratio_max"] == pytest.approx(1.3)
    assert found["makespan_s"] == 1.3
    assert "[1.10–1.30]" in line(found)


def test_one_crowd_has_all_of_them_at_once_and_each_round_ends_as_it_began():
    assert any(each.viewers == 4 and each.deaf and each.noisy for each in CROWDS.values())
    names = list(CROWDS)
    assert names[0] == BASE
    assert not CROWDS[names[-1]].channel
