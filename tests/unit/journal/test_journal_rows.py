import csv
import io
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir.result import Failure, MadeBy, QueryResult, Usage
from engine.journal.held_rows import HeldRows
from engine.journal.rows import CsvRows, JsonLines, column_names


def row(**outputs):
    return QueryResult(index=3, id="q", workflow="w", status="ok", outputs=outputs)


FAILED = QueryResult(
    index=4,
    id="q4",
    workflow="w",
    status="failed",
    error=Failure(code="sql_error", message="no such table: x", operator="w/a", attempts=2),
)


MADE_BY = MadeBy(model="m", form="exl2", sha256="ab", backend="exllamav2", build="=1", worker="@gpu")


def test_json_line_names_what_produced_each_answer():
    line = JsonLines(models=True).line(msgspec.structs.replace(row(a="x"), models={"w/a": MADE_BY}))
    assert json.loads(line)["models"] == {
        "w/a": {
            "model": "m",
            "form": "exl2",
            "sha256": "ab",
            "backend": "exllamav2",
            "build": "=1",
            "worker": "@gpu",
        }
    }


def test_json_line_has_the_promised_fields_in_order():
    line = JsonLines().line(FAILED)
    assert line.endswith(b"}\n")
    assert list(json.loads(line)) == ["row", "id", "status", "outputs", "error"]
    error = {"code": "sql_error", "message": "no such table: x", "operator": "w/a", "attempts": 2}
    assert json.loads(line)["error"] == error
    full = json.loads(JsonLines(usage=True, models=True, workflow=True).line(FAILED))
    assert list(full) == ["row", "id", "workflow", "status", "outputs", "error", "usage", "models"]


@pytest.mark.parametrize(
    "text", ["a\ud800b", "\0", "line\nbreak\u2028\r", "\x1b]52;c;aGk=\x07", '"', "é漢🎉"]
)
def test_any_text_stays_on_one_line_and_comes_back(text):
    line = JsonLines().line(row(a=text, b={text: [text]}))
    assert line.count(b"\n") == 1
    assert json.loads(line)["outputs"] == {"a": text, "b": {text: [text]}}


def test_numbers_json_cannot_write_are_null_and_large_ones_stay():
    line = JsonLines().line(row(a=float("nan"), b=[float("inf")], c=2**80, d="\ud800", e=float("nan")))
    assert json.loads(line)["outputs"] == {"a": None, "b": [None], "c": 2**80, "d": "\ud800", "e": None}


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("-12.5", "-12.5"),
        ("plain", "plain"),
        (-3, "-3"),
        (True, "true"),
        (None, ""),
        ({"a": [1, "="]}, '{"a":[1,"="]}'),
        ("nul\0", "nul\\x00"),
        ("\ud800", "\\ud800"),
    ],
)
def test_csv_cells(cell, written):
    text = CsvRows(("a",)).line(row(a=cell)).decode()
    assert next(csv.reader(io.StringIO(text, newline="")))[3] == written


@given(st.lists(st.text(st.characters(exclude_categories=())), min_size=2, max_size=2))
@settings(max_examples=80, deadline=None)
def test_csv_of_any_text_is_one_record_of_the_header_s_width(texts):
    rows = CsvRows(("a", "b"), usage=True, models=True, workflow=True)
    answered = msgspec.structs.replace(row(a=texts[0], b=texts[1]), models={"w/a": MADE_BY})
    data = rows.header + rows.line(answered) + rows.line(FAILED)
    read = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert [len(record) for record in read] == [len(read[0])] * 3
    assert all(not cell.startswith(("=", "@")) for cell in read[1])
    assert json.loads(read[1][-1]) == {"w/a": msgspec.to_builtins(MADE_BY)}
    assert read[2][-1] == ""


def test_ids_are_defused_and_usage_has_columns():
    result = QueryResult(
        index=0,
        id="=x",
        workflow="w",
        status="ok",
        outputs={},
        usage=Usage(prompt_tokens=7, decoded_tokens=2),
    )
    assert CsvRows((), usage=True).line(result) == b"0,'=x,ok,,,,,7,0,0,2\n"


def test_outputs_named_like_fixed_columns_are_told_apart():
    given = ("id", "answer", "error_code", "models")
    names = column_names(given, usage=False, models=False, workflow=False)
    assert names[3:7] == ("output_id", "answer", "output_error_code", "models")
    assert len(set(names)) == len(names)
    assert column_names(given, usage=False, models=True, workflow=False) == (
        *names[:6],
        "output_models",
        *names[7:],
        "models",
    )


def take_all(held):
    return [(index, line) for group in iter(lambda: held.take(2, 1000), []) for index, line in group]


def test_input_order_waits_for_the_missing_row_and_completion_does_not():
    by_input, as_done = HeldRows("input"), HeldRows("completion")
    for held in (by_input, as_done):
        for index in (2, 0, 3):
            assert held.add(index, b"%d" % index)
    assert take_all(by_input) == [(0, b"0")]
    assert take_all(as_done) == [(2, b"2"), (0, b"0"), (3, b"3")]
    by_input.add(1, None)
    assert take_all(by_input) == [(1, None), (2, b"2"), (3, b"3")]
    assert len(by_input) == len(as_done) == 0


def test_rows_known_already_are_not_held_again():
    held = HeldRows("input")
    held.written(0)
    assert not held.add(0, b"again")
    assert held.add(1, b"1")
    assert not held.add(1, b"1")
    assert take_all(held) == [(1, b"1")]


def test_lines_beyond_the_budget_are_dropped_and_the_budget_comes_back():
    held = HeldRows("input", buffer_bytes=10)
    held.add(1, b"x" * 6)
    held.add(2, b"y" * 6)
    held.add(0, b"z")
    assert take_all(held) == [(0, b"z"), (1, b"x" * 6), (2, None)]
    held.add(3, b"w" * 10)
    assert take_all(held) == [(3, b"w" * 10)]


def test_at_the_end_gaps_are_not_waited_for():
    held = HeldRows("input")
    held.add(7, b"7")
    held.add(5, b"5")
    assert take_all(held) == []
    held.complete()
    held.complete()
    assert take_all(held) == [(5, b"5"), (7, b"7")]
