"""The SQL tool on DuckDB, SQLite and PostgreSQL: the same rows, the same refusals, the same codes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from engine.contracts import Cancellation, Tool
from engine.errors import ConfigError, ToolError
from tools import REGISTRY

CANARY = "canary-7f3a9c"


@pytest.fixture
def sql(database_url: str) -> Iterator[Tool]:
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": database_url}}})
    yield tool
    tool.close()


def arguments(text: str, *params: object, **more: object) -> dict[str, Any]:
    return {"database": "db", "query": {"text": text, "params": list(params)}, **more}


def run(tool: Tool, text: str, *params: object, **more: object) -> Any:
    return tool.call(arguments(text, *params, **more), timeout_s=20.0, cancellation=Cancellation())


def refusal(tool: Tool, text: str, *params: object, **more: object) -> ToolError:
    with pytest.raises(ToolError) as caught:
        run(tool, text, *params, **more)
    return caught.value


def test_rows_are_alike_on_every_database(sql: Tool) -> None:
    table = run(sql, "SELECT id, name, price, made, stock FROM item ORDER BY id")
    assert table["columns"] == ["id", "name", "price", "made", "stock"]
    assert table["rows"][0] == [1, "anvil", 10.5, "1996-01-02", 3]
    assert table["rows"][2][4] is None
    assert table["truncated"] is False


def test_an_empty_result_has_its_columns_on_every_database(sql: Tool) -> None:
    table = run(sql, "SELECT id, name AS label FROM item WHERE id = $1 -- none", -1)
    assert table == {"columns": ["id", "label"], "rows": [], "truncated": False}


def test_parameters_are_bound_in_any_order_and_any_number_of_times(sql: Tool) -> None:
    text = "SELECT id FROM item WHERE name = $2 AND id >= $1 AND id <= $1"
    assert run(sql, text, 2, "bolt")["rows"] == [[2]]


@pytest.mark.parametrize("value", ["'; DROP TABLE item; --", "$1", "x' OR 'a'='a", "\x01", "🙂"])
def test_values_never_become_statement_text(sql: Tool, value: str) -> None:
    assert run(sql, "SELECT name FROM item WHERE name = $1", value)["rows"] == []
    assert len(run(sql, "SELECT id FROM item")["rows"]) == 3


@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
def test_text_a_database_cannot_hold_fails_the_call_alone(sql: Tool, value: str) -> None:
    with suppress(ToolError):
        assert run(sql, "SELECT name FROM item WHERE name = $1", value)["rows"] == []
    assert run(sql, "SELECT id FROM item WHERE id = $1", 1)["rows"] == [[1]]


def test_rows_beyond_the_limit_are_cut_and_said_to_be(sql: Tool) -> None:
    table = run(sql, "SELECT id FROM item ORDER BY id", max_rows=2)
    assert table == {"columns": ["id"], "rows": [[1], [2]], "truncated": True}
    assert run(sql, "SELECT id FROM item ORDER BY id", max_rows=3)["truncated"] is False


def test_an_endless_result_is_not_read_to_its_end(sql: Tool, dialect: str) -> None:
    text = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    if dialect == "duckdb":
        text = "SELECT x FROM range(10000000000) AS r(x)"
    started = time.monotonic()
    assert len(run(sql, text, max_rows=10)["rows"]) == 10
    assert time.monotonic() - started < 5


def test_bytes_are_limited_at_whole_rows(sql: Tool) -> None:
    table = run(sql, "SELECT name FROM item ORDER BY id", max_bytes=30)
    assert table["rows"] == [["anvil"], ["bolt"]]
    assert table["truncated"] is True
    assert refusal(sql, "SELECT name FROM item", max_bytes=4).code == "result_too_large"


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO item (id) VALUES (4)",
        "DELETE FROM item",
        "UPDATE item SET id = 1",
        "DROP TABLE item",
        "CREATE TABLE other (a integer)",
        "SELECT 1 AS a; DELETE FROM item",
        "BEGIN",
        "SET x = 1",
    ],
)
def test_writes_and_commands_are_denied(sql: Tool, text: str) -> None:
    assert refusal(sql, text).code == "sql_denied"
    assert len(run(sql, "SELECT id FROM item")["rows"]) == 3


def test_what_slips_past_the_parser_meets_the_database(database_url: str, dialect: str) -> None:
    """The classifier is not the lock: the connection is."""
    from tools.sql.canonical import Statement
    from tools.sql.database import TimeLimit
    from tools.sql.tool import DatabaseSettings, connect

    database = connect(DatabaseSettings(url=database_url))
    sneaky = {
        "duckdb": [
            "INSERT INTO item (id) VALUES (4)",
            "ATTACH '/tmp/x.db'",
            "SELECT * FROM read_text('/etc/passwd')",
        ],
        "sqlite": ["INSERT INTO item (id) VALUES (4)", "ATTACH '/tmp/x.db' AS x", "PRAGMA query_only = 0"],
        "postgres": ["INSERT INTO item (id) VALUES (4)", "CREATE TABLE x (a integer)", "SELECT nextval('s')"],
    }[dialect]
    if dialect == "postgres":
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute("CREATE SEQUENCE s")
    for text in sneaky:
        statement = Statement(text=text, normal="", order=(), writes=False, volatile=False)
        with pytest.raises(ToolError) as caught:
            database.execute(statement, [], write=False, max_rows=5, limit=TimeLimit(5.0, Cancellation()))
        assert caught.value.code in {"sql_denied", "sql_error"}, text
    database.close()


def test_declared_writes_are_committed(sql: Tool) -> None:
    run(sql, "SELECT id FROM item")
    table = run(sql, "INSERT INTO item (id, name) VALUES ($1, $2)", 4, "dowel", effects="write")
    assert table == {"columns": ["count"], "rows": [[1]], "truncated": False}
    assert run(sql, "SELECT name FROM item WHERE id = $1", 4)["rows"] == [["dowel"]]
    assert refusal(sql, "DELETE FROM item").code == "sql_denied"


def test_a_failed_write_leaves_nothing(sql: Tool) -> None:
    error = refusal(sql, "INSERT INTO item (id, price) SELECT id, nothing FROM item", effects="write")
    assert error.code == "sql_error"
    assert not error.retryable
    assert len(run(sql, "SELECT id FROM item")["rows"]) == 3


def test_errors_of_the_database_are_told_in_one_line(sql: Tool) -> None:
    error = refusal(sql, "SELECT nothing FROM item")
    assert error.code == "sql_error"
    assert "nothing" in error.message
    assert "\n" not in error.message
    assert not error.retryable
    assert run(sql, "SELECT id FROM item WHERE id = $1", 1)["rows"] == [[1]]


def test_an_unknown_database_is_named_with_those_there_are(sql: Tool) -> None:
    with pytest.raises(ToolError) as caught:
        sql.canonical({"database": "wrong", "query": "SELECT 1 AS a"})
    assert "wrong" in caught.value.message
    assert "db" in (caught.value.fix or "")


def test_volatile_statements_are_not_shared(sql: Tool) -> None:
    assert sql.coalescable(arguments("SELECT name FROM item WHERE id = $1", 1))
    assert not sql.coalescable(arguments("SELECT CURRENT_TIMESTAMP AS t"))
    assert not sql.coalescable(arguments("SELECT random() AS r"))
    assert not sql.coalescable(arguments("SELECT name FROM item WHERE name = $1", "now"))


def test_functions_a_server_calls_volatile_are_believed(postgres_server: str, make_database: Any) -> None:
    url = make_database("postgres")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE FUNCTION moody() RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT 1'")
        admin.execute("CREATE FUNCTION calm() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'")
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": url}}})
    assert not tool.coalescable(arguments("SELECT moody() AS m"))
    assert tool.coalescable(arguments("SELECT calm() AS c"))
    tool.close()


def test_explain_gives_an_estimate_where_the_database_has_one(sql: Tool, dialect: str) -> None:
    estimate = sql.estimate_s(arguments("SELECT name FROM item WHERE id = $1", 1))
    if dialect == "sqlite":
        assert estimate is None
    else:
        assert estimate is not None
        assert 0 < estimate < 1


def test_another_database_is_other_work(make_database: Callable[[str], str], tmp_path: Path) -> None:
    first = make_database("sqlite")
    (tmp_path / "copy.sqlite").write_bytes((tmp_path / "items.sqlite").read_bytes())
    tool = REGISTRY["sql"].open(
        {"databases": {"a": {"url": first}, "b": {"url": f"sqlite://{tmp_path / 'copy.sqlite'}"}}}
    )
    query = {"text": "SELECT id FROM item", "params": []}
    same = [tool.canonical({"database": name, "query": query}) for name in ("a", "b")]
    assert same[0] != same[1]
    tool.close()


def test_a_lost_connection_may_be_retried(postgres_server: str) -> None:
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": postgres_server}}})
    run(tool, "SELECT 1 AS a")
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'haloctl'"
        )
    error = refusal(tool, "SELECT 1 AS a")
    assert (error.code, error.retryable) == ("sql_error", True)
    assert run(tool, "SELECT 1 AS a")["rows"] == [[1]]
    tool.close()


def test_secrets_come_by_reference_and_go_nowhere(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = postgres_server.partition("@")[2]
    monkeypatch.setenv("PG_SECRET", CANARY)
    good = REGISTRY["sql"].open(
        {"databases": {"db": {"url": f"postgresql://postgres:${{env:PG_SECRET}}@{place}"}}}
    )
    assert run(good, "SELECT 1 AS a")["rows"] == [[1]]
    assert CANARY not in str(good.canonical(arguments("SELECT 1 AS a")))
    good.close()
    missing = f"postgresql://postgres:${{env:PG_SECRET}}@/{CANARY}?{place.partition('?')[2]}"
    bad = REGISTRY["sql"].open({"databases": {"db": {"url": missing}}})
    error = refusal(bad, "SELECT 1 AS a")
    assert error.code == "sql_error"
    assert CANARY not in str(error)
    assert CANARY not in caplog.text
    bad.close()
    assert refusal(bad, "SELECT 1 AS a").code == "cancelled"
    monkeypatch.delenv("PG_SECRET")
    unset = REGISTRY["sql"].open({"databases": {"db": {"url": missing}}})
    assert "PG_SECRET" in refusal(unset, "SELECT 1 AS a").message


@pytest.mark.parametrize(
    "url", ["duckdb:///nowhere/at/all.duckdb", "sqlite:missing.db", "mysql://x/y", "duckdb://h/x"]
)
def test_wrong_urls_fail_with_their_fix(url: str) -> None:
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": url}}})
    error = refusal(tool, "SELECT 1 AS a")
    assert error.code == "sql_error"
    assert error.fix
    tool.close()


def test_malformed_settings_are_told_when_opening() -> None:
    with pytest.raises(ConfigError):
        REGISTRY["sql"].open({"databases": {"db": {"uri": "duckdb:x"}}})


def test_duckdb_files_are_shared_with_other_readers(make_database: Callable[[str], str]) -> None:
    url = make_database("duckdb")
    first = REGISTRY["sql"].open({"databases": {"db": {"url": url, "threads": 1, "memory_bytes": 10**9}}})
    assert run(first, "SELECT id FROM item LIMIT 1")["rows"] == [[1]]
    with duckdb.connect(url.removeprefix("duckdb://"), read_only=True, config=_LOCKED) as other:
        assert other.execute("SELECT count(*) FROM item").fetchone() == (3,)
    first.close()


_LOCKED = {
    "enable_external_access": False,
    "lock_configuration": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
    "memory_limit": "1000000000B",
}


def test_sqlite_text_that_is_not_utf8_is_replaced(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "odd.sqlite")
    with connection:
        connection.execute("CREATE TABLE t (a text)")
        connection.execute("INSERT INTO t VALUES (CAST(x'ff41' AS text))")
    connection.close()
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": f"sqlite://{tmp_path / 'odd.sqlite'}"}}})
    assert run(tool, "SELECT a FROM t")["rows"] == [["�A"]]
    tool.close()


def test_a_url_may_be_a_reference_as_a_whole(
    make_database: Callable[[str], str], dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_database(dialect))
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": "${env:DATABASE_URL}"}}})
    assert run(tool, "SELECT id FROM item WHERE id = $1", 2)["rows"] == [[2]]
    tool.close()


def test_a_first_write_waits_for_running_reads(make_database: Callable[[str], str]) -> None:
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": make_database("duckdb")}}})
    stop = Cancellation()
    endless = arguments("SELECT sum(x) AS n FROM range(100000000000) AS r(x)")

    def read() -> str:
        with pytest.raises(ToolError) as caught:
            tool.call(endless, timeout_s=30.0, cancellation=stop)
        return caught.value.code

    with ThreadPoolExecutor(1) as threads:
        reader = threads.submit(read)
        while not tool._database("db")._users:
            pass
        blocked = arguments("DELETE FROM item WHERE id = 1", effects="write")
        with pytest.raises(ToolError) as caught:
            tool.call(blocked, timeout_s=0.2, cancellation=Cancellation())
        assert caught.value.code == "sql_timeout"
        stop.cancel()
        assert reader.result() == "cancelled"
    assert run(tool, "DELETE FROM item WHERE id = 1", effects="write")["rows"] == [[1]]
    assert len(run(tool, "SELECT id FROM item")["rows"]) == 2
    tool.close()


def test_a_refused_write_leaves_a_readable_database(make_database: Callable[[str], str]) -> None:
    url = make_database("duckdb")
    reader = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True);"
        " print(1, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", reader, url.removeprefix("duckdb://")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": url}}})
    assert refusal(tool, "DELETE FROM item", effects="write").code == "sql_error"
    assert len(run(tool, "SELECT id FROM item")["rows"]) == 3
    other.communicate()
    assert run(tool, "DELETE FROM item", effects="write")["rows"] == [[3]]
    tool.close()


@pytest.mark.parametrize(
    ("text", "params", "row"),
    [
        ("SELECT CAST($1 AS text) AS v", ["a"], ["a"]),
        (
            "SELECT id, CAST($1 AS text), CAST($2 AS text) AS w FROM item WHERE id = 2",
            ["a", "b"],
            [2, "a", "b"],
        ),
        ("SELECT coalesce(CAST($2 AS text), $1) AS v", ["a", "b"], ["b"]),
        ("SELECT name FROM item ORDER BY id LIMIT $1", [1], ["anvil"]),
    ],
)
def test_a_value_may_stand_wherever_a_value_may(
    sql: Tool, text: str, params: list[Any], row: list[Any]
) -> None:
    assert run(sql, text, *params)["rows"][0] == row
