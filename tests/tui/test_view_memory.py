"""What a view of a long run holds: a few bytes a row, and nothing that grows with what happened."""

from __future__ import annotations

import pytest

from bench.view import held, told
from engine.live.state import FAILURES_KEPT, MESSAGE_LENGTH, SPANS_KEPT

RATE = 20_000.0
STATES = 2
"""A view that stands still holds what is looked at, and what there is by now."""
ROW_BYTES = 3
"""Status, pairs settled, pairs in all."""
SPAN_BYTES = 400
"""A record of eight fields with two floats and four strings or numbers of its own: 300 to 350 bytes."""
FIXED_BYTES = 300_000
"""Operators with their histograms, lanes' use, the series of seconds, windows: by kind, not by row."""


def bound(rows: int) -> int:
    failures = FAILURES_KEPT * (SPAN_BYTES + MESSAGE_LENGTH)
    return STATES * (rows * ROW_BYTES + SPANS_KEPT * SPAN_BYTES + failures + FIXED_BYTES)


@pytest.mark.slow
def test_a_view_of_100_000_rows_holds_three_bytes_a_row_and_the_newest_of_what_happened():
    short, _ = held(told(10_000, RATE))
    long, feeds = held(told(100_000, RATE))
    assert long < bound(100_000)
    # Ten times as much has happened: what is more is the rows' bytes, twice, and a series and windows.
    assert long - short < STATES * (90_000 * ROW_BYTES + 30_000)
    # What pages keep to draw, filter and zoom: columns of rows, and intervals of lanes, as numbers.
    assert feeds < 100_000 * 400
