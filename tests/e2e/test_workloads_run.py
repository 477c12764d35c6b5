"""W1 to W6 from questions to rows: echo models, real databases, the mock API without its waits."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import haloctl
from engine.ir.options import NAIVE
from haloctl.config import load_settings
from workflows import catalogue
from workflows.films.words import THEMES
from workflows.pages.words import FIELDS
from workflows.workloads.folder import build_databases, make_folder, make_settings
from workflows.workloads.order_rules import parameters
from workflows.workloads.questions import ASKED, rows
from workflows.workloads.serve import MockApi

pytestmark = pytest.mark.slow

QUERIES = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Database files, the API over them, and a settings file."""
    folder = tmp_path_factory.mktemp("workloads")
    files = build_databases(folder, films=0.01, pages=0.01, tpch=0.002)
    with MockApi(files, latency_scale=0) as api:
        settings = make_settings(api.url) + f'\n[paths]\nruns = "{folder}/runs"\ncache = "{folder}/cache"\n'
        (folder / "haloctl.toml").write_text(settings)
        yield files, api, folder / "haloctl.toml"


@pytest.fixture
def run(world):
    def run_workload(name, **options):
        _, api, config = world
        table = [{**row, "api": api.url} for row in rows(ASKED[name], QUERIES)]
        return haloctl.run(catalogue.path(f"workloads/{name}.yaml"), table, config=config, **options)

    return run_workload


@pytest.fixture
def look_up(world):
    def value(database, statement, *values):
        with duckdb.connect(str(world[0][database]), read_only=True) as connection:
            return connection.execute(statement, values).fetchone()[0]

    return value


def all_ok(result):
    assert [row["status"] for row in result] == ["ok"] * QUERIES, [row["error_message"] for row in result]
    assert all(row["answer"] for row in result)
    return result


def test_w1_finds_the_best_known_title_of_its_theme(run, look_up):
    for row in all_ok(run("w1_film_diamond")):
        assert row["theme"] in THEMES
        most = look_up(
            "films",
            "SELECT max(votes) FROM ratings JOIN titles USING (title_id) WHERE theme = ?",
            row["theme"],
        )
        assert row["best_known"][2] == most


def test_w2_gives_mood_people_and_reach(run):
    for row in all_ok(run("w2_film_chains")):
        assert row["mood"] in ("dark", "tender", "tense", "playful", "solemn", "wild")
        assert row["language"] in ("en", "fr", "de", "es", "ja")


def test_w3_finds_a_page_on_the_field_asked_about(run, look_up):
    asked = [row["user_query"] for row in rows("pages", QUERIES)]
    for question, row in zip(asked, all_ok(run("w3_page_threads")), strict=True):
        field = next(field for field in FIELDS if field in question)
        assert look_up("pages", "SELECT bool_or(contains(text, ?)) FROM pages WHERE title = ?",
                       field, row["best_page"])  # fmt: skip
        assert row["sections"]


def test_w4_compares_languages(run):
    for row in all_ok(run("w4_page_bridge")):
        assert row["field"] in FIELDS
        assert row["richest"] in ("de", "fr", "es")


def test_w5_reads_the_question_and_names_the_leading_supplier(run):
    asked = [row["user_query"] for row in rows("orders", QUERIES)]
    for question, row in zip(asked, all_ok(run("w5_order_trident")), strict=True):
        assert {name: row[name] for name in ("year", "segment", "brand", "ship_mode")} == parameters(question)
        assert row["top_supplier"].startswith("Supplier#")


def test_w6_shows_profit_of_every_year(run):
    for row in all_ok(run("w6_order_fanout")):
        assert [year for year, _ in row["profit"]] == [1992, 1993, 1994, 1995, 1996, 1997, 1998]


@pytest.mark.parametrize("name", ["w1_film_diamond", "w6_order_fanout"])
def test_optimised_and_naive_runs_agree(run, name):
    assert run(name) == run(name, mechanisms=NAIVE)


def test_a_folder_made_by_hand_has_all_it_takes(tmp_path):
    make_folder(tmp_path, 8, films=0.001, pages=0.001, tpch=0.001)
    settings = load_settings(tmp_path / "haloctl.toml").settings
    assert set(settings.models) == {"S", "M", "L"}
    assert all(Path(d.url.removeprefix("duckdb:")).is_file() for d in settings.databases.values())
    for name in set(ASKED.values()):
        assert len((tmp_path / f"{name}_questions.csv").read_text().splitlines()) == 9
    mine = tmp_path / "haloctl.toml"
    mine.write_text(mine.read_text() + "# mine\n")
    make_folder(tmp_path, 2, films=0.001, pages=0.001, tpch=0.001)
    assert mine.read_text().endswith("# mine\n")


def test_a_folder_is_made_at_the_scales_asked_for_and_refuses_others(tmp_path):
    command = [sys.executable, "-m", "workflows.workloads.folder", str(tmp_path), "3"]
    small = ["--films", "0.002", "--pages", "0.01", "--tpch", "0.001"]
    assert subprocess.run([*command, *small], check=False).returncode == 0
    counted = {"films": "titles", "pages": "pages", "tpch": "orders"}
    found = {}
    for name, table in counted.items():
        with duckdb.connect(str(tmp_path / f"{name}.duckdb"), read_only=True) as connection:
            (found[name],) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert found["films"] == 200
    assert found["tpch"] == 1500
    assert 200 < found["pages"] < 200 * 4
    for option, said in (
        ("--films", "films.duckdb holds another scale: 200 titles, and scale 0.005 has 500"),
        ("--pages", "pages.duckdb holds another scale: 200 subjects, and scale 0.005 has 100"),
        ("--tpch", "tpch.duckdb holds another scale: 1,500 orders, and scale 0.005 has 7,500"),
    ):
        again = [*command, *small]
        again[again.index(option) + 1] = "0.005"
        refused = subprocess.run(again, capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert "fix: remove it" in refused.stderr
