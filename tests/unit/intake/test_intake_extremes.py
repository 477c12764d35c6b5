"""Cells at the edge of what numbers, text and nesting can be: a broken row each, never a broken batch."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haloctl.intake import open_table
from haloctl.intake.values import BadValue, convert, require_encodable

LONG = "9" * 5000


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "json"])
@pytest.mark.parametrize(
    "value", [10**30, 10**400, -(10**400), 10**5000], ids=["1e30", "1e400", "-1e400", "1e5000"]
)
def test_whole_numbers_beyond_64_bits_are_bad_values_of_every_type(kind, value):
    with pytest.raises(BadValue, match="64 bits"):
        convert(value, kind, textual=False)


@pytest.mark.parametrize(
    "text", ["1e400", "1" * 400, LONG, "1e999999999", "1_0", "٣", "nan", "Infinity", "0x10", "", ".", "1e"]
)
def test_texts_that_are_no_numbers(text):
    with pytest.raises(BadValue):
        convert(text, "number", textual=True)


@pytest.mark.parametrize(("text", "number"), [(" 5 ", 5), ("-.5", -0.5), ("1.", 1.0), ("+1E3", 1000.0)])
def test_texts_that_are_numbers(text, number):
    value = convert(text, "number", textual=True)
    assert value == number
    assert type(value) is type(number)


@pytest.mark.parametrize("depth", [65, 900, 980, 990, 100_000])
def test_deep_nesting_is_refused_at_one_depth_however_deep_the_caller_stands(depth):
    value = []
    for _ in range(depth):
        value = [value]
    with pytest.raises(BadValue, match="nested deeper than 64"):
        require_encodable(value)


def test_a_parquet_cell_that_python_cannot_hold_costs_its_row_alone(tmp_path):
    far = pa.array([0, 253402300800000000 * 10, 5], pa.timestamp("us"))
    torn = pa.StringArray.from_buffers(
        3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"ab\xff")
    )
    pq.write_table(pa.table({"at": far, "q": torn}), tmp_path / "in.parquet")
    table = open_table(tmp_path / "in.parquet")
    first, second, third = table.rows()
    table.close()
    assert first.values == {"at": "1970-01-01T00:00:00", "q": "a"}
    assert (second.values, second.place) == (None, "row 2")
    assert "cannot be read" in second.fault
    assert third.values is None
