"""Question tables: repeatable, of any size, redundant as promised; the rule that reads order questions."""

import csv
import io
from collections import Counter

import pytest

from workflows import catalogue
from workflows.films.words import THEMES
from workflows.pages.words import FIELDS
from workflows.workloads.order_rules import BRANDS, SEGMENTS, SHIP_MODES, YEARS, parameters
from workflows.workloads.questions import SETS, TOPICS, rows, write


@pytest.mark.parametrize("name", SETS)
def test_shipped_tables_are_those_the_script_writes(name):
    written = io.StringIO()
    write(written, name, 64)
    assert catalogue.path(f"workloads/{name}_questions.csv").read_text(encoding="utf-8") == written.getvalue()
    assert len(list(csv.DictReader(io.StringIO(written.getvalue())))) == 64


@pytest.mark.parametrize("name", SETS)
def test_a_longer_table_begins_with_the_shorter_one(name):
    table = rows(name, 300)
    assert rows(name, 20) == table[:20]
    assert rows(name, 20, seed=1) != table[:20]
    assert len({row["id"] for row in table}) == 300


@pytest.mark.parametrize(("name", "words"), [("films", THEMES), ("pages", FIELDS)])
def test_topics_follow_zipfs_law(name, words):
    table = rows(name, 8000)
    topics = Counter(next(w for w in words if w in row["user_query"]) for row in table)
    assert len(topics) == TOPICS == len({row["user_query"] for row in table})
    (_, first), (_, second), *rest = topics.most_common()
    assert 0.85 < first / (2 * second) < 1.15
    assert rest[-1][1] > 8000 / 4.28 / TOPICS / 2


@pytest.mark.parametrize("name", ["films", "pages"])
def test_wordings_multiply_the_questions_and_not_the_topics(name):
    assert len({row["user_query"] for row in rows(name, 8000, wordings=3)}) == 3 * TOPICS


def test_order_questions_draw_each_parameter_evenly_and_the_rule_reads_them_back():
    table = [parameters(row["user_query"]) for row in rows("orders", 3000)]
    for field, domain in (
        ("year", YEARS),
        ("segment", SEGMENTS),
        ("brand", BRANDS),
        ("ship_mode", SHIP_MODES),
    ):
        counts = Counter(row[field] for row in table)
        assert set(counts) == set(domain)
        assert max(counts.values()) < 1.6 * min(counts.values()), field


def test_the_rule_minds_no_case_and_says_something_of_anything():
    asked = "in 1996, BRAND#31 for machinery by reg air"
    expected = {"year": 1996, "segment": "MACHINERY", "brand": "Brand#31", "ship_mode": "REG AIR"}
    assert parameters(asked) == expected
    assert parameters("fair AIRLINES in 19955") == parameters("")
