"""Reading tables: every row once, a broken one as such, and clear words when nothing can be read."""

import gzip
import io
import sqlite3

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InputError
from engine.ir.logical import LogicalPlan
from engine.ir.spec import InputSpec
from haloctl.intake import QuerySource, open_table
from tools.sql.database import DatabaseSettings


def read(tmp_path, data, name="in.csv", **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    table = open_table(path, **options)
    try:
        return table.columns, [
            row.values if row.values is not None else f"{row.place}: {row.fault}" for row in table.rows()
        ]
    finally:
        table.close()


def test_csv_with_bom_crlf_blank_lines_and_quoted_newlines(tmp_path):
    columns, rows = read(
        tmp_path, b'\xef\xbb\xbfid,q\r\n1,"a\r\nb"\r\n\r\n2,"c ""d"", e"\r\n  \r\n3,\r\n\r\n'
    )
    assert columns == ("id", "q")
    assert rows == [{"id": "1", "q": "a\r\nb"}, {"id": "2", "q": 'c "d", e'}, {"id": "3", "q": ""}]


def test_csv_broken_rows_cost_themselves_only(tmp_path):
    data = b'id,q\n1,ok\n2,a,b\n3\n4,"never closed\n5,ok\n6,"x"y\n7,\xff\xfe\n'
    data += b'8,nul\x00kept\n9,"also never\n10,"ok"\n'
    _, rows = read(tmp_path, data)
    assert [row if isinstance(row, str) else row["id"] for row in rows] == [
        "1",
        "line 3: expected 2 cells, got 3",
        "line 4: expected 2 cells, got 1",
        "line 5: not valid CSV: unexpected end of data",
        "5",
        "line 7: not valid CSV: ',' expected after '\"'",
        "line 8: the row is not utf-8 text",
        "8",
        "line 10: not valid CSV: unexpected end of data",
        "10",
    ]
    assert rows[7]["q"] == "nul\x00kept"


def test_csv_delimiters_and_encodings(tmp_path):
    assert read(tmp_path, "id;q\n1;a,b\n")[1] == [{"id": "1", "q": "a,b"}]
    assert read(tmp_path, "id\tq\n1\ta;b\n")[1] == [{"id": "1", "q": "a;b"}]
    assert read(tmp_path, "what, then; really?\nx,y\n")[0] == ("what", "then; really?")
    assert read(tmp_path, "q\n  \n\nx\n")[1] == [{"q": "  "}, {"q": "x"}]
    assert read(tmp_path, "q\nä\n".encode("latin-1"), encoding="latin-1")[1] == [{"q": "ä"}]
    assert read(tmp_path, gzip.compress(b"q\nx\n"), "in.csv.gz")[1] == [{"q": "x"}]


def test_jsonl(tmp_path):
    columns, rows = read(
        tmp_path,
        b'\xef\xbb\xbf{"q": "a", "n": 1}\r\n\n{"q": \n[1]\n{"q": "\\ud800"}\n{"q": "\xff"}\n'
        b'{"q": NaN}\n{"q": "\\u0000"}',
        "in.jsonl",
    )
    assert columns is None
    assert rows[0] == {"q": "a", "n": 1}
    assert [row.split(":")[0] for row in rows[1:-1]] == ["line 3", "line 4", "line 5", "line 6", "line 7"]
    assert rows[-1] == {"q": "\x00"}


def test_parquet_and_frames(tmp_path):
    table = pa.table(
        {"q": ["a", None], "n": pa.array([1, 2], pa.int32()), "d": pa.array([0, 1], pa.date32())}
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1)
    expected = [{"q": "a", "n": 1, "d": "1970-01-01"}, {"q": None, "n": 2, "d": "1970-01-02"}]
    for source in (tmp_path / "t.parquet", table, table.to_reader(), pl.from_arrow(table), table.to_pandas()):
        opened = open_table(source)
        assert opened.columns == ("q", "n", "d")
        assert [row.values for row in opened.rows()] == expected
    with pytest.raises(InputError, match="cannot read queries from a set"):
        open_table({1})
    assert pd.DataFrame({"q": [1]}).shape == (1, 1)


def test_sql_query(tmp_path):
    path = tmp_path / "d.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER, q TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, None)])
    connection.close()
    database = DatabaseSettings(url=f"sqlite://{path}")
    table = open_table("SELECT id, q FROM t ORDER BY id", database=database)
    assert table.columns == ("id", "q")
    assert [row.values for row in table.rows()] == [{"id": 1, "q": "a"}, {"id": 2, "q": None}]
    for statement in ("SELECT nope FROM t", "DELETE FROM t", "SELEC"):
        with pytest.raises(InputError):
            open_table(statement, database=database)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "in.csv", "is empty"),
        (b"\n \n", "in.csv", "is empty"),
        (b'"id,q\n1,2\n', "in.csv", "no usable header"),
        ("id,q\n1,2\n".encode("utf-16"), "in.csv", "UTF-16"),
        (b"\xe4\n1\n", "in.csv", "not utf-8 text"),
        (b"PAR1", "in.parquet", "not a Parquet file"),
        (b"q", "in.xlsx", "format of"),
        (gzip.compress(b"q\nx\n" * 1000)[:-20], "in.csv.gz", "breaks off"),
    ],
)
def test_unreadable_input_is_one_clear_error(tmp_path, data, name, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, data, name)
    assert caught.value.exit_code == 65
    assert caught.value.fix


def test_missing_files(tmp_path):
    for source, format in (
        (tmp_path / "none.csv", None),
        (tmp_path, "csv"),
        ("-", None),
        (tmp_path / "x.csv", "xml"),
    ):
        with pytest.raises(InputError) as caught:
            open_table(source, format=format)
        assert caught.value.fix


def test_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"q\nx\n")))
    assert [row.values for row in open_table("-", format="csv").rows()] == [{"q": "x"}]


def plan(name="w", **inputs):
    return LogicalPlan(workflow=name, inputs=inputs, operators=(), outputs=())


def source(tmp_path, data, *plans, name="in.csv", **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return QuerySource(open_table(path), plans or (plan(q=InputSpec()),), **options)


def all_rows(queries, size=100):
    with queries:
        rows = [row for batch in queries.windows(size) for row in (*batch.queries, *batch.rejected)]
    return sorted(rows, key=lambda row: row.index)


def told(row):
    return row.bindings if hasattr(row, "bindings") else row.failure.message


TYPES = {
    "s": InputSpec(),
    "i": InputSpec(type="integer"),
    "n": InputSpec(type="number", required=False),
    "b": InputSpec(type="boolean", default=True),
    "j": InputSpec(type="json", required=False),
}


def test_csv_cells_become_the_declared_types(tmp_path):
    data = (
        "s,i,n,b,j\n"
        'x, 7 ,1.50,TRUE,"[1,""a""]"\n'
        ",1,,,\n"
        "x,1.0,,,\nx,,,,\nx,1,nan,,\nx,1,,maybe,\nx,1,,,{\nx,9223372036854775808,,,\n"
    )
    rows = all_rows(source(tmp_path, data, plan(**TYPES)))
    assert told(rows[0]) == {"s": "x", "i": 7, "n": 1.5, "b": True, "j": [1, "a"]}
    assert told(rows[1]) == {"s": "", "i": 1, "n": None, "b": True, "j": None}
    assert [told(row).split(":", 1)[1].strip()[:46] for row in rows[2:]] == [
        "column 'i' expected a whole number, got '1.0'",
        "column 'i' has no value, and the input 'i' nee",
        "column 'n' expected a number, got 'nan'",
        "column 'b' expected true or false, got 'maybe'",
        "column 'j' expected JSON, got '{': Input data ",
        "column 'i' holds a whole number beyond 64 bits",
    ]
    assert {row.failure.code for row in rows[2:]} == {"bad_row"}
    assert [row.id for row in rows] == [str(n) for n in range(1, 9)]


def test_jsonl_values_keep_their_types(tmp_path):
    lines = [
        '{"s": 5, "i": 7.0, "n": 2, "b": 1, "j": "text"}',
        '{"s": "a", "i": "8"}',
        '{"s": ["a"], "i": 1}',
        '{"i": 1}',
        '{"s": null, "i": 1}',
        '{"s": "x", "i": true}',
        '{"s": "x", "i": 1, "j": [123456789012345678901234567890]}',
    ]
    rows = all_rows(source(tmp_path, "\n".join(lines), plan(**TYPES), name="in.jsonl"))
    assert told(rows[0]) == {"s": "5", "i": 7, "n": 2, "b": True, "j": "text"}
    assert told(rows[1]) == {"s": "a", "i": 8, "n": None, "b": True, "j": None}
    assert "expected text, got ['a']" in told(rows[2])
    assert "has no value" in told(rows[3])
    assert "has no value" in told(rows[4])
    assert "got True" in told(rows[5])
    assert "column 'j' [0] exceeds 64 bits" in told(rows[6])


def test_ids_mapping_and_several_workflows(tmp_path):
    data = "id,workflow,question,extra\nA,w,x,1\nA,v,y,\n,v,z,\nB,none,u,\n"
    plans = (plan("w", q=InputSpec()), plan("v", q=InputSpec(), extra=InputSpec(required=False)))
    rows = all_rows(source(tmp_path, data, *plans, mapping={"q": "question"}))
    assert [(row.index, row.id, row.workflow) for row in rows] == [
        (0, "A", "w"), (1, "A", "v"), (2, "3", "v"), (3, "B", "none"),
    ]  # fmt: skip
    assert told(rows[0]) == {"q": "x"}
    assert told(rows[1]) == {"q": "y", "extra": None}
    assert "'none' is none of the workflows w, v" in told(rows[3])
    rows = all_rows(source(tmp_path, data, mapping={"q": "question"}, id_column="question", limit=2))
    assert [row.id for row in rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("a,b\n1,2\n", {}, "no column 'q'; it has: a, b"),
        ("q\n1\n", {"id_column": "key"}, "no column 'key'"),
        ("q\n1\n", {"mapping": {"z": "q"}}, "no workflow has an input 'z'"),
        ("q,q\n1,2\n", {}, "two columns 'q'"),
        ("q\n", {}, "has no rows"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, data, options, message):
    with pytest.raises(InputError, match=message) as caught:
        source(tmp_path, data, **options)
    assert caught.value.fix


def test_empty_jsonl_and_jsonl_without_the_column(tmp_path):
    with pytest.raises(InputError, match="has no rows"):
        source(tmp_path, "\n\n", name="in.jsonl")
    with pytest.raises(InputError, match="no column 'q'; it has: a"):
        source(tmp_path, '{"a": 1}\n', name="in.jsonl")


def test_windows_are_read_lazily(tmp_path):
    class Endless:
        name, columns, textual = "endless", ("q",), True
        read = 0

        def rows(self):
            from haloctl.intake import Row

            while True:
                self.read += 1
                yield Row(f"row {self.read}", {"q": str(self.read)})

        def close(self):
            pass

    table = Endless()
    windows = QuerySource(table, (plan(q=InputSpec()),)).windows(10)
    assert [query.index for query in next(windows).queries] == list(range(10))
    assert table.read == 10
    assert next(windows).queries[0].index == 10
