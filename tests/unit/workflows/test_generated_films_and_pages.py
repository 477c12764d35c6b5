"""The generated film catalogue and encyclopedia: repeatable, shaped like real ones, whole or absent."""

import threading

import duckdb
import pytest

from workflows.films import catalogue
from workflows.films.data import build_database as build_films
from workflows.films.words import DECADES, THEMES
from workflows.pages import encyclopedia
from workflows.pages.data import build_database as build_pages
from workflows.pages.words import FIELDS, LANGUAGES

FILMS, PAGES = 0.01, 0.02


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "deep" / "films.duckdb"
    build_films(path, FILMS)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "pages.duckdb"
    build_pages(path, PAGES)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def value(connection, statement, *parameters):
    return connection.execute(statement, parameters).fetchone()[0]


@pytest.mark.parametrize("made", [catalogue, encyclopedia], ids=["films", "pages"])
def test_the_same_seed_gives_the_same_tables(made):
    first, again, other = made.make_tables(0.005), made.make_tables(0.005), made.make_tables(0.005, seed=7)
    assert first == again
    assert first != other
    assert set(first) == set(made.TYPES)
    for columns in first.values():
        assert len({len(values) for values in columns.values()}) == 1


def test_scale_is_the_number_of_titles_and_subjects():
    assert len(catalogue.make_tables(0.02)["titles"]["title_id"]) == 2000
    assert len(set(encyclopedia.make_tables(0.01)["pages"]["subject_id"])) == 200


def test_titles_are_skewed_incomplete_and_not_only_latin(films):
    assert value(films, "SELECT count(DISTINCT theme) FROM titles") == len(THEMES)
    assert value(films, "SELECT count(DISTINCT start_year // 10) FROM titles") == len(DECADES)
    most = value(films, "SELECT max(n) FROM (SELECT count(*) AS n FROM titles GROUP BY theme)")
    assert most > 3 * 1000 / len(THEMES)
    assert value(films, "SELECT max(votes) > 50 * median(votes) FROM ratings")
    for column, table in (("runtime_minutes", "titles"), ("birth_year", "people"), ("characters", "crew")):
        missing = value(films, f"SELECT avg(CAST({column} IS NULL AS integer)) FROM {table}")
        assert 0.05 < missing < 0.95, column
    assert value(films, "SELECT count(*) FROM titles WHERE original_title <> primary_title") > 100
    assert value(films, "SELECT count(*) FROM alternative_titles WHERE title LIKE '%川%'") > 0
    assert value(films, "SELECT count(*) FROM people WHERE name <> strip_accents(name)") > 100


def test_references_between_film_tables_hold(films):
    for table in ("ratings", "alternative_titles", "crew"):
        assert not value(films, f"SELECT count(*) FROM {table} ANTI JOIN titles USING (title_id)")
    assert not value(films, "SELECT count(*) FROM crew ANTI JOIN people USING (person_id)")
    assert value(films, "SELECT bool_and(n = 1) FROM (SELECT sum(CAST(is_original AS integer)) AS n"
                        " FROM alternative_titles GROUP BY title_id)")  # fmt: skip


def test_pages_are_skewed_incomplete_linked_and_in_several_languages(pages):
    assert value(pages, "SELECT count(DISTINCT language) FROM pages") == len(LANGUAGES)
    assert value(pages, "SELECT max(words) > 4 * median(words) FROM pages WHERE language = 'en'")
    assert value(pages, "SELECT count(*) FROM pages WHERE views IS NULL") > 20
    assert value(pages, "SELECT count(*) FROM pages WHERE title <> strip_accents(title)") > 50
    assert not value(pages, "SELECT count(*) FROM links WHERE from_page = to_page")
    assert not value(pages, "SELECT count(*) FROM links l ANTI JOIN pages p ON p.page_id = l.to_page")
    assert value(pages, "SELECT max(n) > 5 * avg(n) FROM (SELECT count(*) n FROM links GROUP BY to_page)")


def test_search_finds_every_field_in_any_wording(pages):
    for field in FIELDS:
        best = pages.execute(
            "SELECT text FROM search_pages(?, 'en') JOIN pages USING (page_id) ORDER BY score DESC LIMIT 3",
            [f"What is known about {field.upper()}, please?"],
        ).fetchall()
        assert all(field in text for (text,) in best), field


def test_search_keeps_to_the_language_and_minds_no_accents(pages):
    found = pages.execute(
        "SELECT DISTINCT language FROM search_pages('FUNDICION de campanas', 'es') JOIN pages USING (page_id)"
    ).fetchall()
    assert found == [("es",)]
    assert value(pages, "SELECT count(*) FROM search_pages('qqqq', 'en')") == 0
    assert value(pages, "SELECT count(*) FROM search_pages('', 'en')") == 0


def test_building_at_once_and_again_leaves_one_whole_file(tmp_path):
    path = tmp_path / "films.duckdb"
    threads = [threading.Thread(target=build_films, args=(path, 0.001)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = path.stat()
    build_films(path, 0.001)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [entry.name for entry in tmp_path.iterdir()] == ["films.duckdb"]
