"""Patches rebuild what they were made from, and stay small where little changed."""

from hypothesis import given
from hypothesis import strategies as st

from engine.live.patches import changed_bytes, patched, series_tail, with_tail
from engine.live.totals import Series


@given(st.binary(max_size=500), st.data())
def test_patched_bytes_are_the_new_ones(before, data):
    now = bytearray(before + data.draw(st.binary(max_size=300)))
    for at in data.draw(st.lists(st.integers(0, max(0, len(now) - 1)), max_size=5)):
        if now:
            now[at] ^= 0xFF
    assert patched(before, changed_bytes(before, bytes(now))) == bytes(now)


def test_one_changed_byte_costs_one_block():
    before = bytes(100_000)
    now = before[:5000] + b"\x01" + before[5001:]
    (patch,) = changed_bytes(before, now)
    assert len(patch.data) == 64
    assert patch.offset <= 5000 < patch.offset + 64


def column(draw, length):
    return tuple(draw(st.lists(st.integers(0, 3), min_size=length, max_size=length)))


@st.composite
def series_pairs(draw):
    """A series, and what became of it: some seconds forgotten, the last changed, some new."""
    length, start = draw(st.integers(0, 12)), draw(st.integers(0, 5))
    before = Series(from_s=start, **{name: column(draw, length) for name in NAMES})
    forgotten, new = draw(st.integers(0, 15)), draw(st.integers(0, 15))
    keep = max(0, length - forgotten - draw(st.integers(0, 2)))
    total = max(0, length - forgotten) + new
    columns = {}
    for name in NAMES:
        kept = getattr(before, name)[forgotten : forgotten + keep]
        columns[name] = kept + column(draw, total - len(kept))
    return before, Series(from_s=start + forgotten, **columns)


NAMES = ("decoded", "computed", "reused", "rows", "queued")


@given(series_pairs())
def test_a_tail_makes_the_new_series(pair):
    before, now = pair
    tail = series_tail(before, now)
    assert (before if tail is None else with_tail(before, tail)) == now
