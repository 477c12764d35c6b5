"""W1 to W6 on the embedded model in all three roles: every row ends well, and tools were really asked.

Answers are constrained by their schemas, so that they are valid whatever the model knows.
"""

import json
import urllib.parse
import urllib.request
from decimal import Decimal

import duckdb
import jsonschema
import psycopg
import pytest

import haloctl
from engine.ir.logical import LlmOperator
from engine.journal.view import RunView
from engine.parser import load_workflow, lower
from haloctl import embedded
from haloctl.config import load_settings
from haloctl.query_path import find_paths
from haloctl.run_folder import find_run
from tools import REGISTRY
from workflows import catalogue
from workflows.tpch.postgres import load_postgres
from workflows.workloads.folder import build_databases, make_settings
from workflows.workloads.questions import ASKED, rows
from workflows.workloads.serve import MockApi

pytestmark = pytest.mark.slow

QUERIES = 2
MODEL = embedded.model_path("haloctl-mini")
TPCH_SCALE = 0.002


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workloads")


@pytest.fixture(scope="module")
def files(folder):
    return build_databases(folder, films=0.01, pages=0.01, tpch=TPCH_SCALE)


@pytest.fixture(scope="module")
def api(files):
    with MockApi(files, latency_scale=0) as started:
        yield started


@pytest.fixture
def run(api, folder, tmp_path):
    """(workload, databases to replace) → the paths of its queries."""

    def run_workload(name, replaced=None):
        settings = make_settings(api.url).replace('backend = "echo"', f'gguf = "{MODEL}"')
        for database, url in (replaced or {}).items():
            settings = settings.replace(f"duckdb:{database}.duckdb", url)
        settings = settings.replace("duckdb:", f"duckdb:{folder}/")
        config = tmp_path / "haloctl.toml"
        config.write_text(f'{settings}\n[paths]\nruns = "{tmp_path}/runs"\ncache = "{folder}/cache"\n')
        table = [{**row, "api": api.url} for row in rows(ASKED[name], QUERIES)]
        result = haloctl.run(catalogue.path(f"workloads/{name}.yaml"), table, config=config)
        assert [row["status"] for row in result] == ["ok"] * QUERIES, [row["error_message"] for row in result]
        with RunView(find_run(load_settings(config).settings, "last")) as view:
            return [path for row in result for path in find_paths(view, row["id"])]

    return run_workload


def schemas_of(name):
    """Operator → the JSON Schema of its answer, for every call of a model."""
    workflow = load_workflow(catalogue.path(f"workloads/{name}.yaml").read_bytes(), REGISTRY)
    operators = lower(workflow, REGISTRY, None).operators
    return {op.id: json.loads(op.schema) for op in operators if isinstance(op, LlmOperator)}


def check_answers(name, paths):
    """Every model call of every query has an answer of its schema."""
    schemas = schemas_of(name)
    for path in paths:
        answers = {step.operator: step.value for step in path.steps if step.operator in schemas}
        assert answers.keys() == schemas.keys()
        for operator, answer in answers.items():
            jsonschema.validate(answer, schemas[operator])


def check_api_calls(paths):
    """What HTTP operators hand on is what the API answers."""
    bodies = {}
    for step in (step for path in paths for step in path.steps):
        if step.arguments is not None and "url" in step.arguments:
            [api] = step.arguments["url"]["params"]
            url = step.arguments["url"]["text"].replace("$1", api)
            given = {key: value["params"][0] for key, value in step.arguments["params"].items()}
            with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(given)}", timeout=20) as answer:
                bodies[step.operator] = json.loads(answer.read())
            assert step.value == {"status": 200, "body": bodies[step.operator]}
    assert any(body["items"] for body in bodies.values())


def check_statements(paths, execute):
    """What SQL operators hand on is what `execute` finds: (database, statement, values) → rows."""
    checked = 0
    for step in (step for path in paths for step in path.steps):
        if step.arguments is not None and "database" in step.arguments:
            query = step.arguments["query"]
            found = execute(step.arguments["database"], query["text"], query["params"])
            assert plain(step.value["rows"]) == plain(found), step.operator
            checked += bool(found)
    assert checked >= len(paths)


def plain(table):
    return [
        [float(cell) if isinstance(cell, int | float | Decimal) else cell for cell in row] for row in table
    ]


@pytest.mark.parametrize("name", ASKED)
def test_workload_runs_on_duckdb(run, files, name):
    def execute(database, statement, values):
        with duckdb.connect(str(files[database]), read_only=True) as connection:
            return connection.execute(statement, values).fetchall()

    paths = run(name)
    check_answers(name, paths)
    check_statements(paths, execute)
    check_api_calls(paths)


@pytest.fixture(scope="module")
def postgres_tpch(postgres_server):
    """A PostgreSQL database with TPC-H of another size, so that its rows are told from DuckDB's."""
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE real_model_tpch")
    url = postgres_server.replace("/postgres?", "/real_model_tpch?")
    load_postgres(url, TPCH_SCALE / 2)
    return url


@pytest.mark.parametrize("name", [name for name in ASKED if ASKED[name] == "orders"])
def test_workload_runs_on_postgresql(run, files, postgres_tpch, name):
    def execute(database, statement, values):
        assert database == "tpch"
        with psycopg.connect(postgres_tpch, cursor_factory=psycopg.RawCursor) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    paths = run(name, {"tpch": postgres_tpch})
    check_answers(name, paths)
    check_statements(paths, execute)
    check_api_calls(paths)
