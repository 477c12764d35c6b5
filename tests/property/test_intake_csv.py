"""CSV: what the csv module writes is read back, and every row in is one row out."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.ir.logical import LogicalPlan
from engine.ir.spec import InputSpec
from haloctl.intake import QuerySource
from haloctl.intake.csv_rows import CsvTable

CELLS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ['"', "a\r\nb", "a\nb", ",", '""', " x", "x\r", "\x00", "\ufeff", "\x85\u2028"]
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=6)
)
PLAN = LogicalPlan(workflow="w", inputs={"c0": InputSpec()}, operators=(), outputs=())


def written(rows, **dialect):
    width = len(rows[0]) if rows else 1
    text = io.StringIO()
    writer = csv.writer(text, **dialect)
    writer.writerows([[f"c{i}" for i in range(width)], *rows])
    return text.getvalue().encode()


@settings(max_examples=150, deadline=None)
@given(
    TABLES,
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
)
def test_reads_back_what_csv_writes(rows, style):
    end, quoting = style
    table = CsvTable(io.BytesIO(written(rows, lineterminator=end, quoting=quoting)), "t", delimiter=",")
    read = list(table.rows())
    assert [list(row.values.values()) for row in read] == rows


@settings(max_examples=150, deadline=None)
@given(TABLES.filter(bool), st.binary(max_size=30), st.data())
def test_every_row_is_a_query_or_rejected(rows, noise, data):
    """Whatever bytes are thrown in, indices are dense and intact rows far from them survive."""
    clean = written(rows, quoting=csv.QUOTE_ALL)
    at = data.draw(st.integers(0, len(clean)))
    try:
        table = CsvTable(io.BytesIO(clean[:at] + noise + clean[at:]), "t", delimiter=",")
        source = QuerySource(table, (PLAN,))
    except InputError:
        return
    batches = list(source.windows(2))
    indices = [row.index for batch in batches for row in (*batch.queries, *batch.rejected)]
    assert sorted(indices) == list(range(len(indices)))
    assert all(len(batch.queries) + len(batch.rejected) == 2 for batch in batches[:-1])
    for batch in batches:
        for row in batch.rejected:
            row.failure.message.encode()
            assert row.failure.code == "bad_row"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["good", '"open', "a,b,c", "\udcff", 'x"y', '"x"y']), max_size=12))
def test_broken_rows_do_not_take_good_ones_along(kinds):
    lines = ["c0,c1"]
    for number, kind in enumerate(kinds):
        lines.append(f"{number},{kind}")
    lines.append("last,good")
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    rows = list(CsvTable(io.BytesIO(data), "t", delimiter=",").rows())
    assert len(rows) == len(kinds) + 1
    for row, kind in zip(rows, [*kinds, "good"], strict=True):
        assert (row.values is not None) == (kind in ("good", 'x"y'))
