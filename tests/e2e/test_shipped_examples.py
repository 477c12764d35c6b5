"""The examples that need no server answer rightly with the model that comes along."""

import csv
from pathlib import Path

import pytest

import haloctl
from workflows import catalogue

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path):
    """Name of an example → its rows."""

    def run_example(name):
        with catalogue.path(f"examples/{name}.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        config = tmp_path / "haloctl.toml"
        config.write_text(f'[paths]\nruns = "{tmp_path}/runs"\ncache = "{tmp_path}/cache"\n')
        result = haloctl.run(catalogue.path(f"examples/{name}.yaml"), table, config=config)
        assert [row["status"] for row in result] == ["ok"] * len(table)
        return result

    return run_example


def test_texts_are_sorted_and_scored(run):
    found = [(row["words"], row["category"], row["sentiment"], row["score"]) for row in run("word_scores")]
    assert found == [
        (6, "praise", "positive", 6),
        (11, "billing", "negative", -11),
        (6, "praise", "positive", 6),
    ]


def test_what_is_too_long_is_summed_up_again(run):
    genres = "drama leads with 258 films and a rating of 8.1."
    customers = (
        "Anders leads with 851 orders and revenue of 12. Bruna follows with 637 orders and revenue of 4."
    )
    assert [row["line"] for row in run("redraft")] == [genres, customers, genres]
