"""How long a filter is waited for: the first time counts, and so does the worst."""

from __future__ import annotations

import time

from bench.widgets import filter_ms


def test_a_slow_first_time_and_a_slow_later_one_are_told():
    pauses = iter((0.02, 0.0, 0.04, 0.0))
    found = filter_ms(lambda: time.sleep(next(pauses)), 4)
    assert found["first"] >= 20
    assert found["worst"] >= 40
    assert found["best"] < found["worst"]
