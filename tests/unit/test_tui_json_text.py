"""Data to be read in a panel: as few lines as the width allows, and still JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.json_text import text_of

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('ab é"\\\t,:[]{}')
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc "), inner))


@given(values.filter(lambda value: not isinstance(value, str)), st.integers(1, 60))
def test_data_without_lines_of_its_own_stays_json(value, width):
    text = text_of(value, width)
    assert json.loads(text) == value
    if len(json.dumps(value, ensure_ascii=False)) <= width:
        assert "\n" not in text


def test_a_table_takes_a_line_a_row():
    table = {"columns": ["year", "orders"], "rows": [[1997, 79], [1996, 81]], "truncated": False}
    assert text_of(table, 33).split("\n") == [
        "{",
        '  "columns": ["year", "orders"],',
        '  "rows": [',
        "    [1997, 79],",
        "    [1996, 81]",
        "  ],",
        '  "truncated": false',
        "}",
    ]
    assert '  "rows": [[1997, 79], [1996, 81]],' in text_of(table, 60)


@pytest.mark.parametrize("width", [10, 200])
def test_text_of_several_lines_keeps_them(width):
    assert text_of("one\ntwo", width) == "one\ntwo"
    assert text_of({"text": "SELECT 1\n  FROM t\n", "limit": 3}, width).split("\n") == [
        "{",
        '  "text":',
        "    SELECT 1",
        "      FROM t",
        '  "limit": 3',
        "}",
    ]


def test_much_data_is_laid_out_at_once():
    assert text_of([[number, str(number)] for number in range(20_000)], 80).count("\n") == 20_001
