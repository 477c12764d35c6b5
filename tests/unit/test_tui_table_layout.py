"""Columns placed side by side: inside the width, apart from each other, every one within reach."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.row_table import Column
from haloctl.tui.table_layout import gap, place, scrolled_to

columns = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(["text", "count"])).map(
        lambda pair: Column(key="k", title="t", width=pair[0], kind=pair[1])
    ),
    min_size=1,
    max_size=8,
)


@given(columns, st.integers(4, 240), st.integers(0, 8))
def test_columns_stay_apart_and_inside(specs, width, first):
    placed = place(specs, width, first)
    assert placed[0].index == 0
    assert placed[0].x == 0
    for left, right in pairwise(placed):
        assert right.x == left.x + left.width + gap(width)
    assert all(column.width >= 1 for column in placed)
    assert placed[-1].x + placed[-1].width <= width


@given(columns, st.integers(4, 240), st.data())
def test_every_column_can_be_brought_in(specs, width, data):
    wanted = data.draw(st.integers(0, len(specs) - 1))
    first = scrolled_to(specs, width, data.draw(st.integers(1, 8)), wanted)
    assert wanted in {column.index for column in place(specs, width, first)}


def test_a_column_without_a_width_takes_what_is_left():
    specs = [
        Column(key="a", title="a", width=5),
        Column(key="b", title="b"),
        Column(key="c", title="c", width=6),
    ]
    assert [(column.x, column.width) for column in place(specs, 60)] == [(0, 5), (7, 45), (54, 6)]


def test_no_room_no_columns():
    assert place([Column(key="a", title="a")], 0) == ()
    assert place([], 80) == ()
