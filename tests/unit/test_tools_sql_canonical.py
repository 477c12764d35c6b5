"""Normal forms, and what a statement is judged to be, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ToolError
from engine.ir.json_values import json_fault
from engine.ir.keys import content_key
from tools import REGISTRY
from tools.sql.canonical import analyse
from tools.sql.spec import SqlSpec
from tools.sql.values import to_json

DIALECTS = pytest.mark.parametrize("dialect", ["duckdb", "sqlite", "postgres"])


@DIALECTS
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT a FROM t WHERE b = $1", "select a\nfrom t\nwhere b=$1"),
        ("SELECT a FROM t", "SELECT a FROM T /* every row */"),
        ("SELECT x.a AS n FROM t AS x", "SELECT X.a n FROM t X"),
        ("SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 1"),
        ("SELECT CAST(a AS int) AS n FROM t", "SELECT cast(a as INT) n FROM t;"),
    ],
)
def test_layout_and_spelling_do_not_matter(dialect: str, left: str, right: str) -> None:
    assert analyse(left, dialect).normal == analyse(right, dialect).normal


@DIALECTS
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT a FROM t", "SELECT a AS A FROM t"),
        ("SELECT a FROM t", "SELECT A FROM t"),
        ("SELECT a FROM t", 'SELECT a FROM "T"'),
        ("SELECT count(*) FROM t", "SELECT COUNT(*) FROM t"),
        ("SELECT a FROM t WHERE b = '1'", "SELECT a FROM t WHERE b = 1"),
        ("SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
        ("SELECT DATE(a) AS d FROM t", "SELECT CAST(a AS DATE) AS d FROM t"),
        ("SELECT a FROM t LIMIT 5", "SELECT a FROM t LIMIT 6"),
    ],
)
def test_what_may_change_a_result_or_its_heading_does(dialect: str, left: str, right: str) -> None:
    assert analyse(left, dialect).normal != analyse(right, dialect).normal


@DIALECTS
def test_placeholders_are_told_in_order_of_use(dialect: str) -> None:
    one = analyse("SELECT a FROM t WHERE b = $2 AND c IN ($1, $2)", dialect)
    other = analyse("SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)", dialect)
    assert one.order == (2, 1, 2)
    assert one.normal == other.normal


@DIALECTS
@pytest.mark.parametrize("text", ["SELECT a FROM t WHERE b = '$1'", "SELECT a FROM t -- $1"])
def test_a_slot_in_quotes_or_comments_is_an_error(dialect: str, text: str) -> None:
    with pytest.raises(ToolError) as caught:
        analyse(text, dialect)
    assert caught.value.code == "sql_error"
    assert "slot 1" in caught.value.message


@DIALECTS
@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 AS a; SELECT 2 AS b",
        "PRAGMA table_info(t)",
        "ATTACH 'x' AS y",
        "VACUUM",
        "COPY t TO 'x'",
        "SET a = 1",
        "EXPLAIN SELECT 1",
        "SELECT load_extension('x') AS a",
        "SELECT pg_read_file('/etc/passwd') AS a",
        "SELECT set_config('a', 'b', false) AS a",
        "SELECT * FROM query('DELETE FROM t')",
    ],
)
def test_commands_and_back_doors_are_denied(dialect: str, text: str) -> None:
    with pytest.raises(ToolError) as caught:
        analyse(text, dialect)
    assert caught.value.code in {"sql_denied", "sql_error"}


@DIALECTS
@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES ($1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "CREATE TABLE t (a int)",
        "DROP TABLE t",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "SELECT a INTO u FROM t",
        "SELECT nextval('s') AS n",
        "SELECT a FROM t FOR UPDATE",
    ],
)
def test_writes_are_recognised_wherever_they_hide(dialect: str, text: str) -> None:
    assert analyse(text, dialect).writes


@DIALECTS
@pytest.mark.parametrize(
    "expression",
    [
        "random()",
        "CURRENT_TIMESTAMP",
        "current_date",
        "now()",
        "date('now')",
        "gen_random_uuid()",
    ],
)
def test_volatile_expressions_are_recognised_anywhere(dialect: str, expression: str) -> None:
    assert analyse(f"SELECT a FROM t WHERE b > (SELECT {expression} AS x)", dialect).volatile
    assert not analyse("SELECT now FROM t WHERE random = 'random'", dialect).volatile


def _judged(text: str, dialect: str) -> tuple[str, str]:
    try:
        return "fine", analyse(text, dialect).normal
    except ToolError as error:
        return error.code, error.message


@given(st.text(max_size=200))
def test_no_text_breaks_the_analysis(text: str) -> None:
    for dialect in ("duckdb", "sqlite", "postgres"):
        code, told = _judged(text, dialect)
        assert code in {"fine", "sql_error", "sql_denied"}
        assert code == "fine" or "\x1b[" not in told


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**64 - 1, 2**64 - 1),
        (2**64, str(2**64)),
        (float("nan"), None),
        (float("-inf"), None),
        (Decimal("10.50"), 10.5),
        (Decimal("12"), 12),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("NaN"), None),
        (date(1996, 1, 2), "1996-01-02"),
        (datetime(1996, 1, 2, 3, 4, 5, tzinfo=UTC), "1996-01-02T03:04:05+00:00"),
        (timedelta(days=1, seconds=1), 86401.0),
        (b"\x00\xff", "AP8="),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([1, (2,)], [1, [2]]),
        ({1: b"a"}, {"1": "YQ=="}),
        ("a\ud800", "a?"),
    ],
)
def test_database_values_become_json_by_the_table(value: object, expected: object) -> None:
    assert to_json(value) == expected
    content_key(to_json(value))


def test_the_first_fault_of_a_result_is_named_by_its_place() -> None:
    assert json_fault({"a": [1, {2}]}) == "result.a[1] is a set, which is not JSON"
    assert json_fault({1: 2}) == "result has the key 1, which is not a string"
    assert json_fault({"a": (1, None, "x")}) is None
    deep: object = []
    for _ in range(100):
        deep = [deep]
    assert "nested" in (json_fault(deep) or "")


def _faults(query: str, **more: object) -> list[str]:
    kind = REGISTRY["sql"]
    spec = SqlSpec(database="db", query=query, **more)
    return [fault[1] for fault in kind.check(spec)]


def test_a_spec_is_checked_before_any_database_is_open() -> None:
    assert _faults("SELECT a FROM t WHERE b = {{ x }}") == []
    assert "quotes" in _faults("SELECT a FROM t WHERE b = '{{ x }}'")[0]
    assert "quotes" in _faults("SELECT a FROM t WHERE b LIKE 'it''s {{ x }}%'")[0]
    assert _faults("SELECT a FROM t WHERE b LIKE '%' || {{ x | default('a') }} || '%' -- isn't it") == []
    assert "$1" in _faults("SELECT a FROM t WHERE b = $1")[0]
    assert "writes" in _faults("DELETE FROM t WHERE a = {{ x }}")[0]
    assert _faults("DELETE FROM t WHERE a = {{ x }}", effects="write") == []


def test_what_a_statement_is_decides_whether_it_is_deterministic() -> None:
    kind = REGISTRY["sql"]
    assert kind.deterministic(SqlSpec(database="d", query="SELECT a FROM t WHERE b = {{ x }}"))
    assert not kind.deterministic(SqlSpec(database="d", query="SELECT now() AS n"))
    assert not kind.deterministic(SqlSpec(database="d", query="DELETE FROM t", effects="write"))
    assert kind.deterministic(SqlSpec(database="d", query="SELECT now() AS n", deterministic=True))
