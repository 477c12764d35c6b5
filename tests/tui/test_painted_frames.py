"""Frames of the interface are counted where they are written: on a terminal."""

from __future__ import annotations

import pytest

from bench.live import BATCHES_PER_S
from bench.painted import batches, under_load

pytestmark = pytest.mark.slow


def test_pictures_that_reach_a_terminal_are_counted_and_so_is_what_it_reads():
    told = list(batches(200, rate=1000.0))
    assert len(told) > 3 * BATCHES_PER_S
    found = under_load(told, 0.5, "3")
    assert found["frames_per_s"] > 0
    assert found["kilobytes_per_s"] > 0
    assert 0 < found["key_ms_median"] <= found["key_ms_p95"]
