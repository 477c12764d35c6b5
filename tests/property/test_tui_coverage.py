"""Covered time equals a count of small steps, however spans overlap, arrive and are divided into columns."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.coverage import Coverage

spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=40,
)


def covered(batches) -> Coverage:
    coverage = Coverage()
    for batch in batches:
        if batch:
            starts, ends = np.array(batch, dtype=float).T
            coverage = coverage.plus(starts, ends)
    return coverage


def steps(batches) -> set[int]:
    return {step for batch in batches for start, end in batch for step in range(start, end)}


@given(st.lists(spans, max_size=5))
def test_total_is_that_of_the_raw_spans_in_any_batches(batches):
    assert covered(batches).total_s == len(steps(batches))


@given(st.lists(spans, max_size=5), st.lists(st.integers(-10, 250), min_size=2, unique=True).map(sorted))
def test_each_column_measures_what_the_raw_spans_cover_of_it(batches, edges):
    raw = steps(batches)
    expected = [len(raw & set(range(first, last))) for first, last in pairwise(edges)]
    assert covered(batches).between(np.array(edges, dtype=float)).tolist() == expected


@given(st.lists(spans, max_size=5), st.integers(-3, 3))
def test_columns_of_any_power_of_two_add_up_to_the_total(batches, exponent):
    width = 2.0**exponent
    edges = np.arange(0, 240 + width, width)
    coverage = covered(batches)
    assert np.isclose(coverage.between(edges).sum(), coverage.total_s)


@given(spans)
def test_pieces_are_disjoint_and_do_not_touch(batch):
    raw = steps([batch])
    beginnings = sum(step - 1 not in raw for step in raw)
    assert covered([batch]).pieces == beginnings
