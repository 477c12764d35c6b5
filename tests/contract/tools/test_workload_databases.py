"""The workloads on a real PostgreSQL: the same data, the same rows, and full-text search of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

import haloctl
from engine.errors import ConfigError
from workflows import catalogue
from workflows.films import data as films
from workflows.pages import data as pages
from workflows.pages.words import FIELDS
from workflows.tpch.postgres import load_postgres as load_tpch
from workflows.workloads.folder import build_databases, make_settings
from workflows.workloads.postgres import main as load_all
from workflows.workloads.questions import rows
from workflows.workloads.serve import MockApi

pytestmark = pytest.mark.slow
FILMS, PAGES, TPCH = 0.005, 0.005, 0.002

Run = Callable[[str, str, str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def postgres_urls(postgres_server: str) -> dict[str, str]:
    """A PostgreSQL database for each set of data."""
    loaders = {
        "films": (films.load_postgres, FILMS),
        "pages": (pages.load_postgres, PAGES),
        "tpch": (load_tpch, TPCH),
    }
    urls = {}
    for name, (load, scale) in loaders.items():
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE workload_{name}".encode())
        urls[name] = postgres_server.replace("/postgres?", f"/workload_{name}?")
        load(urls[name], scale)
    return urls


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_databases(tmp_path_factory.mktemp("workloads"), films=FILMS, pages=PAGES, tpch=TPCH)


@pytest.fixture(scope="module")
def run(files: dict[str, Path], postgres_urls: dict[str, str]) -> Iterator[Run]:
    """(workload, set of questions, dialect) → rows of four queries on echo models."""
    folder = files["films"].parent
    with MockApi(files, latency_scale=0) as api:
        settings = make_settings(api.url) + f'\n[paths]\nruns = "{folder}/runs"\ncache = "{folder}/cache"\n'
        (folder / "duckdb.toml").write_text(settings)
        for name, url in postgres_urls.items():
            settings = settings.replace(f"duckdb:{name}.duckdb", url)
        (folder / "postgres.toml").write_text(settings)

        def run_workload(name: str, questions: str, dialect: str) -> list[dict[str, Any]]:
            table = [{**row, "api": api.url} for row in rows(questions, 4)]
            path = catalogue.path(f"workloads/{name}.yaml")
            return haloctl.run(path, table, config=folder / f"{dialect}.toml")

        yield run_workload


@pytest.mark.parametrize(
    ("name", "questions"),
    [
        ("w2_film_chains", "films"),
        ("w5_order_trident", "orders"),
        ("w6_order_fanout", "orders"),
    ],
)
def test_both_databases_lead_to_the_same_rows(run: Run, name: str, questions: str) -> None:
    """Echo answers are a function of the prompt: equal rows mean that every figure printed the same."""
    on_postgres = run(name, questions, "postgres")
    assert [row["status"] for row in on_postgres] == ["ok"] * 4, [row["error_message"] for row in on_postgres]
    assert on_postgres == run(name, questions, "duckdb")


@pytest.mark.parametrize(
    ("name", "questions"),
    [("w1_film_diamond", "films"), ("w3_page_threads", "pages"), ("w4_page_bridge", "pages")],
)
def test_the_others_run_on_postgresql_as_well(run: Run, name: str, questions: str) -> None:
    result = run(name, questions, "postgres")
    assert [row["status"] for row in result] == ["ok"] * 4, [row["error_message"] for row in result]


@pytest.mark.parametrize("module", [films, pages], ids=["films", "pages"])
def test_the_same_tables_stand_in_both(
    module: Any, files: dict[str, Path], postgres_urls: dict[str, str]
) -> None:
    name = module.__name__.split(".")[1]
    with (
        duckdb.connect(str(files[name]), read_only=True) as left,
        psycopg.connect(postgres_urls[name]) as right,
    ):
        for table, columns in module.TYPES.items():
            names = ", ".join(column.split()[0] for column in columns.split(","))
            statement = f"SELECT {names} FROM {table}"
            assert sorted(map(repr, left.execute(statement).fetchall())) == sorted(
                map(repr, right.execute(statement.encode()).fetchall())
            ), table


def test_one_command_fills_one_database_with_all_three_sets(
    postgres_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE workload_all")
    url = postgres_server.replace("/postgres?", "/workload_all?")
    load_all([url, "--films", "0.002", "--pages", "0.005", "--tpch", "0.001"])
    assert capsys.readouterr().out.count("is loaded") == 3
    with psycopg.connect(url) as connection:
        for statement, wanted in (
            ("SELECT count(*) FROM titles", 200),
            ("SELECT count(DISTINCT subject_id) FROM pages", 100),
            ("SELECT count(*) FROM orders", 1500),
        ):
            assert connection.execute(statement.encode()).fetchone() == (wanted,)
    with pytest.raises(ConfigError, match=r"films: .*already exists[\s\S]*empty database"):
        load_all([url])


def test_postgresql_finds_every_field_in_any_wording(postgres_urls: dict[str, str]) -> None:
    with psycopg.connect(postgres_urls["pages"]) as connection:
        for field in FIELDS:
            best = connection.execute(
                "SELECT text FROM search_pages(%s, 'en') JOIN pages USING (page_id)"
                " ORDER BY score DESC LIMIT 3",
                [f"What is known about {field.upper()}, please?"],
            ).fetchall()
            assert any(field in text for (text,) in best), field
        for nothing in ("", "the of and", "qqqq"):
            found = connection.execute("SELECT count(*) FROM search_pages(%s, 'en')", [nothing]).fetchone()
            assert found == (0,)
