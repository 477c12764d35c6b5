"""The encyclopedia in a database, generated on first use, with full-text search in either.

`python -m workflows.pages.data FILE [SCALE]` writes a DuckDB file by hand.

Both databases answer `SELECT … FROM search_pages(question, language)`, a table of page_id and score, best
match highest; a question is free text, any of its words may match. PostgreSQL uses its own tsvector, with
stemming and stop words. DuckDB's full-text extension is no option here: it is downloaded when it is first
used, no Python package carries it for DuckDB 2, and a read-only, locked connection could not load it
either. So the file brings an inverted index along, as ordinary tables (`page_terms`, `term_pages`), and
`search_pages` ranks by BM25 in plain SQL. The two agree on what matches best, not on scores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from workflows.pages.encyclopedia import TYPES, count_subjects, make_tables
from workflows.tables import refuse_other_scale, write_duckdb, write_postgres

DEFAULT_SCALE = 0.05

_DUCKDB_SEARCH = (
    # Words and numbers without accents and case. RE2 knows the letters of all scripts.
    r"CREATE MACRO search_terms(content) AS"
    r" regexp_extract_all(lower(strip_accents(content)), '[\p{L}\p{N}]+')",
    """
    CREATE TABLE page_terms AS
    SELECT term, language, page_id, words, CAST(count(*) AS INTEGER) AS occurrences
    FROM (SELECT page_id, language, words, unnest(search_terms(title || ' ' || text)) AS term FROM pages)
    GROUP BY ALL ORDER BY term, page_id
    """,
    """
    CREATE TABLE term_pages AS
    SELECT term, language, CAST(count(*) AS INTEGER) AS pages FROM page_terms GROUP BY ALL ORDER BY term
    """,
    """
    CREATE TABLE page_lengths AS
    SELECT language, CAST(count(*) AS INTEGER) AS pages, avg(words) AS words FROM pages GROUP BY language
    """,
    # Okapi BM25 with k1 = 1.2 and b = 0.75.
    """
    CREATE MACRO search_pages(question, wanted) AS TABLE
    WITH asked AS (SELECT DISTINCT unnest(search_terms(question)) AS term)
    SELECT t.page_id AS page_id,
           round(sum(ln(1 + (l.pages - d.pages + 0.5) / (d.pages + 0.5))
                     * t.occurrences * 2.2
                     / (t.occurrences + 1.2 * (0.25 + 0.75 * t.words / l.words))), 4) AS score
    FROM asked
    JOIN term_pages AS d ON d.term = asked.term AND d.language = wanted
    JOIN page_terms AS t ON t.term = asked.term AND t.language = wanted
    JOIN page_lengths AS l ON l.language = wanted
    GROUP BY t.page_id
    """,
)

_POSTGRES_SEARCH = (
    """
    CREATE FUNCTION search_dictionary(language text) RETURNS regconfig LANGUAGE sql IMMUTABLE AS $$
      SELECT CAST(CASE language WHEN 'en' THEN 'english' WHEN 'de' THEN 'german' WHEN 'fr' THEN 'french'
                  WHEN 'es' THEN 'spanish' ELSE 'simple' END AS regconfig)
    $$
    """,
    """
    ALTER TABLE pages ADD COLUMN search tsvector
    GENERATED ALWAYS AS (to_tsvector(search_dictionary(language), title || ' ' || text)) STORED
    """,
    "CREATE INDEX ON pages USING gin (search)",
    # plainto_tsquery joins the words of a question by AND; one of them must be enough.
    """
    CREATE FUNCTION search_pages(question text, wanted text)
    RETURNS TABLE (page_id integer, score double precision) LANGUAGE sql STABLE AS $$
      SELECT p.page_id, CAST(ts_rank_cd(p.search, q.terms, 1) AS double precision)
      FROM pages AS p,
           (SELECT CAST(replace(CAST(plainto_tsquery(search_dictionary(wanted), question) AS text), '&', '|')
                        AS tsquery) AS terms) AS q
      WHERE p.language = wanted AND p.search @@ q.terms
    $$
    """,
    "CREATE UNIQUE INDEX ON pages (page_id)",
    "CREATE INDEX ON categories (page_id)",
    "CREATE INDEX ON links (from_page)",
)


def build_database(path: Path, scale: float = DEFAULT_SCALE) -> None:
    """Write a DuckDB file of pages and search index to `path`, unless it is there; whole or not at all.

    Raises ConfigError when a file of another scale lies there.
    """
    if path.exists():
        counted = "SELECT count(DISTINCT subject_id) FROM pages"
        refuse_other_scale(path, "subjects", counted, count_subjects(scale), scale)
    else:
        write_duckdb(path, make_tables(scale), TYPES, _DUCKDB_SEARCH)


def load_postgres(conninfo: str, scale: float = DEFAULT_SCALE) -> None:
    """Create and fill the same tables and search in PostgreSQL. Raises psycopg.Error if they exist."""
    write_postgres(conninfo, make_tables(scale), TYPES, _POSTGRES_SEARCH)


if __name__ == "__main__":
    build_database(Path(sys.argv[1]), *map(float, sys.argv[2:3]))
