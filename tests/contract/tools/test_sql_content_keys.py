"""What SQL calls count as the same work, on DuckDB, SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.contracts import Cancellation, Tool
from engine.templating.views import TABLE_FIELDS
from tools import REGISTRY
from tools.sql.files import fingerprint
from tools.sql.postgres_database import PostgresDatabase

COUNT = "SELECT count(*) AS n FROM item"


@pytest.fixture
def sql(database_url: str) -> Iterator[Tool]:
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": database_url}}})
    yield tool
    tool.close()


def call(tool: Tool, text: str, **more: Any) -> Any:
    arguments = {"database": "db", "query": {"text": text, "params": []}, **more}
    return tool.call(arguments, timeout_s=20.0, cancellation=Cancellation())


def key(tool: Tool, text: str) -> Any:
    return tool.canonical({"database": "db", "query": {"text": text, "params": []}})


def test_a_read_after_a_write_is_not_the_read_before_it(sql: Tool) -> None:
    before, rows = key(sql, COUNT), call(sql, COUNT)["rows"]
    assert key(sql, COUNT.lower().replace("n from", "n  FROM")) == before
    call(sql, "INSERT INTO item VALUES (4, 'dowel', 1, '1999-01-01', 1)", effects="write")
    after = key(sql, COUNT)
    assert after != before
    assert call(sql, COUNT)["rows"] != rows
    call(sql, "DELETE FROM item WHERE id = 4", effects="write")
    assert key(sql, COUNT) not in (before, after)


def test_a_write_that_may_have_happened_counts_as_one(sql: Tool) -> None:
    before = key(sql, COUNT)
    with pytest.raises(Exception, match="nowhere"):
        call(sql, "INSERT INTO nowhere VALUES (1)", effects="write")
    assert key(sql, COUNT) != before


def test_changes_that_are_still_in_the_write_ahead_log_count(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    with sqlite3.connect(path) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE t (a)")
        live.commit()
        file = path.stat()
        before = fingerprint(path)
        live.execute("INSERT INTO t VALUES (1)")
        live.commit()
        assert path.stat() == file
        assert fingerprint(path) != before
    live.close()


def test_servers_are_told_apart_by_what_they_are_not_by_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def identity(url: str) -> str:
        return PostgresDatabase(url).identity

    monkeypatch.setenv("PG_ONE", "postgresql://ann:s3cret@db:5432/shop")
    monkeypatch.setenv("PG_PASSWORD", "changed")
    same = identity("${env:PG_ONE}")
    assert identity("postgresql://ann:${env:PG_PASSWORD}@db:5432/shop") == same
    others = ["ann:s3cret@db:5432/other", "bob:s3cret@db:5432/shop", "ann:s3cret@db2:5432/shop"]
    assert same not in {identity(f"postgresql://{other}") for other in others}


def test_the_fields_of_a_result_are_those_templates_know() -> None:
    assert REGISTRY["sql"].produces == TABLE_FIELDS
