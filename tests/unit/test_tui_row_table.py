"""Rows kept by column: how cells read, how rows sort, and that searching a hundred thousand stays quick."""

import random
import time

import pytest

from haloctl.tui.columns import TextColumn
from haloctl.tui.filter_language import parse_filter, stray_name
from haloctl.tui.row_table import Column, RowTable, fields_of

COLUMNS = (
    Column(key="id", title="Id", width=8),
    Column(key="state", title="State", kind="state", width=9),
    Column(key="node", title="At", kind="choice", width=12),
    Column(key="tokens", title="Tokens", kind="count", width=7),
    Column(key="rate", title="Rate", kind="quantity", width=7),
    Column(key="time", title="Time", kind="seconds", width=7),
)


def table(**columns):
    rows = max(map(len, columns.values()))
    filled = RowTable(COLUMNS)
    blank = {"id": "", "state": "done", "node": ""}
    filled.extend({column.key: columns.get(column.key, [blank.get(column.key)] * rows) for column in COLUMNS})
    return filled


def test_cells_read_as_their_column_says():
    rows = table(id=["a"], node=["x"], tokens=[12345], rate=[1234.5], time=[0.25])
    assert rows.cells(0) == ("a", "done", "x", "12,345", "1.2k", "250ms")
    rows.put(0, {"tokens": None, "state": "failed"})
    assert rows.cells(0) == ("a", "failed", "x", "–", "1.2k", "250ms")


def test_names_that_were_offered_sort_in_their_order_and_are_possible_before_a_row_has_one():
    rows = table(node=["", "z", "late", "a"])
    rows.offer("node", ("z", "a", "never"))
    assert rows.names("node") == ("z", "a", "never", "late")
    assert rows.select(sort="node").tolist() == [1, 3, 0, 2]
    fields = fields_of(COLUMNS)
    assert stray_name(parse_filter("node:never", fields), rows.names) == ""
    assert rows.select(parse_filter("node:never", fields)).tolist() == []
    assert "did you mean 'never'" in stray_name(parse_filter("node:neven", fields), rows.names)


def test_states_sort_as_a_query_lives_and_names_by_letter():
    rows = table(state=["failed", "pending", "done"], node=["b", "C", "a"])
    assert rows.select(sort="state").tolist() == [1, 2, 0]
    assert rows.select(sort="node").tolist() == [2, 0, 1]
    assert rows.select(sort="node", descending=True).tolist() == [1, 0, 2]


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="columns differ in length"):
        table(id=["a", "b"], tokens=[1.0])


def test_many_changes_are_found_like_few():
    column = TextColumn()
    column.extend(f"row {index}" for index in range(10_000))
    for index in range(3000):
        column.put(index, "changed")
        if index % 500 == 0:
            assert column.contains(["changed"]).sum() == index + 1
    assert column.contains(["changed"]).sum() == 3000
    assert column.contains(["row 9999"]).sum() == 1


def test_a_hundred_thousand_rows_are_filtered_while_one_types():
    """Far below a tenth of a second of work; the limit leaves room, but not for a look at each row."""
    draw = random.Random(1)
    words = ["order", "region", "ASIA", "which", "customer", "total", "sales", "year", "größe"]
    rows = table(
        id=[" ".join(draw.choices(words, k=15)) for _ in range(100_000)],
        state=draw.choices(["done", "failed"], k=100_000),
        tokens=[draw.random() * 5000 for _ in range(100_000)],
    )
    for typed in ("asia", "state:failed tokens:>100 -year", '"total sales"'):
        conditions = parse_filter(typed, fields_of(COLUMNS))
        assert isinstance(conditions, tuple)
        spent = time.thread_time()
        assert len(rows.select(conditions)) > 100
        assert time.thread_time() - spent < 0.5
