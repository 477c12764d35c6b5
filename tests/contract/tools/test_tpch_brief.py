"""The shipped market brief: its statements on two databases, its questions, its files."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.contracts import Cancellation, Tool
from engine.errors import ConfigError
from engine.ir.batch import Query
from engine.ir.ids import QueryIndex
from engine.ir.logical import LlmOperator, LogicalPlan, ToolOperator
from engine.parser import load_workflow, lower
from engine.templating import build_scope, render_arguments
from tools import REGISTRY
from workflows import catalogue
from workflows.tpch.data import TABLES, build_database
from workflows.tpch.make_questions import HEADER, write
from workflows.tpch.postgres import load_postgres
from workflows.tpch.sqlite import load_sqlite

pytestmark = pytest.mark.slow
SCALE = 0.002


@pytest.fixture(scope="module")
def brief() -> LogicalPlan:
    source = load_workflow(catalogue.find("market-brief").workflow, REGISTRY)
    return lower(source, REGISTRY, None)


@pytest.fixture(scope="module")
def tpch(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[dict[str, Tool]]:
    """The brief's database, in DuckDB and in PostgreSQL."""
    path = tmp_path_factory.mktemp("tpch") / "deep" / "tpch.duckdb"
    build_database(path, SCALE)
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE tpch")
    url = postgres_server.replace("/postgres?", "/tpch?")
    load_postgres(url, SCALE)
    tools = {
        name: REGISTRY["sql"].open({"databases": {"tpch": {"url": place}}})
        for name, place in (("duckdb", f"duckdb://{path}"), ("postgres", url))
    }
    yield tools
    for tool in tools.values():
        tool.close()


def _statements(brief: LogicalPlan, **bindings: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    query = Query(
        index=QueryIndex(0), id="q", workflow="market_brief", bindings={"user_query": "?", **bindings}
    )
    parameters: dict[Any, Any] = {
        "market_brief/parameters": {"region": "ASIA", "segment": "BUILDING", "year": 1995, "focus": "revenue"}
    }
    for operator in brief.operators:
        if isinstance(operator, ToolOperator):
            yield operator.id, render_arguments(operator, build_scope(operator, query, parameters))


def test_both_databases_give_the_same_figures(brief: LogicalPlan, tpch: dict[str, Tool]) -> None:
    for name, arguments in _statements(brief, region=None, segment=None, year=None):
        tables = [tool.call(arguments, timeout_s=20, cancellation=Cancellation()) for tool in tpch.values()]
        assert tables[0] == tables[1], name
        assert tables[0]["rows"], name
        assert not tables[0]["truncated"]


def test_every_statement_is_shared_and_explained(brief: LogicalPlan, tpch: dict[str, Tool]) -> None:
    for name, arguments in _statements(brief, region=None, segment=None, year=None):
        for tool in tpch.values():
            assert tool.coalescable(arguments), name
            estimate = tool.estimate_s(arguments)
            assert estimate is not None
            assert 0 < estimate < 5, name


def test_columns_override_what_the_model_read(brief: LogicalPlan, tpch: dict[str, Tool]) -> None:
    told = dict(_statements(brief, region="EUROPE", segment="MACHINERY", year=1994))
    customers = told["market_brief/customers"]
    assert customers["query"]["params"] == ["EUROPE", "MACHINERY", 1994]
    same = dict(_statements(brief, region="ASIA", segment="BUILDING", year=1995))
    read = dict(_statements(brief, region=None, segment=None, year=None))
    for name in same:
        canonical = tpch["duckdb"].canonical
        assert canonical(same[name]) == canonical(read[name])
        assert same[name]["effects"] == "read"


def test_the_brief_is_what_it_says(brief: LogicalPlan) -> None:
    models = [operator for operator in brief.operators if isinstance(operator, LlmOperator)]
    assert len(brief.operators) >= 8
    assert {operator.model for operator in models} == {"haloctl-mini"}
    analysts = [operator for operator in models if operator.id.endswith("_analyst")]
    assert len(analysts) == 3
    assert len({operator.system.source for operator in analysts if operator.system}) == 1
    briefs = [operator for operator in models if operator.system and "editor" in operator.system.source]
    assert len(briefs) == 1
    assert all(operator.policy.deterministic for operator in models)


def test_the_questions_are_those_the_script_writes() -> None:
    table = catalogue.find("market-brief").table.read_text()
    written = io.StringIO()
    write(written)
    assert table == written.getvalue()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert tuple(rows[0]) == HEADER
    assert len(rows) >= 48
    repeats = Counter(row["user_query"] for row in rows)
    assert max(repeats.values()) > 1
    assert len(repeats) > len(rows) / 2
    named = (re.findall(r"automobile|building|furniture|household|machinery|\d{4}", text) for text in repeats)
    assert max(Counter(tuple(sorted(words)) for words in named).values()) >= 4


def test_building_again_is_quick_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tpch.duckdb"
    build_database(path, 0.001)
    before = path.stat()
    build_database(path, 0.001)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [entry.name for entry in tmp_path.iterdir()] == ["tpch.duckdb"]


def test_sqlite_gets_the_same_tables(tmp_path: Path) -> None:
    load_sqlite(tmp_path / "tpch.sqlite", 0.001)
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": f"sqlite://{tmp_path / 'tpch.sqlite'}"}}})
    for table in TABLES:
        arguments = {"database": "db", "query": f"SELECT count(*) AS n FROM {table}"}
        assert tool.call(arguments, timeout_s=5, cancellation=Cancellation())["rows"][0][0] >= 5
    tool.close()


def test_every_shipped_workflow_is_valid_and_has_inputs() -> None:
    for shipped in catalogue.shipped():
        plan = lower(load_workflow(shipped.workflow, REGISTRY), REGISTRY, None)
        rows = list(csv.DictReader(io.StringIO(shipped.table.read_text())))
        assert rows
        required = {name for name, spec in plan.inputs.items() if spec.required}
        assert required <= set(rows[0]), shipped.name


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="market-brief"):
        catalogue.find("nothing")
