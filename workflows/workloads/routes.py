"""What the mock API answers: each route is one statement over a generated database.

Parameters are those of the URL; whole numbers arrive as numbers. Latencies are means in seconds, before
scaling: 3 for films and pages, 6 for orders.
"""

from __future__ import annotations

from engine.ir.ids import Record


class Route(Record, frozen=True, kw_only=True):
    """One path of the API. `statement` names its parameters as $name; each is required in the URL."""

    path: str
    database: str
    parameters: tuple[str, ...]
    latency_s: float
    statement: str


def _route(path: str, parameters: str, statement: str) -> Route:
    database = {"films": "films", "pages": "pages", "orders": "tpch"}[path.split("/")[1]]
    return Route(
        path=path,
        database=database,
        parameters=tuple(parameters.split()),
        latency_s=6.0 if database == "tpch" else 3.0,
        statement=statement,
    )


ROUTES: dict[str, Route] = {
    route.path: route
    for route in (
        _route(
            "/films/reviews",
            "theme genre",
            """
            SELECT original_title AS title, start_year AS year, average_rating AS rating
            FROM titles JOIN ratings USING (title_id)
            WHERE theme = $theme AND contains(genres, $genre)
            ORDER BY rating DESC, votes DESC, title_id LIMIT 3
            """,
        ),
        _route(
            "/films/charts",
            "genre decade",
            """
            SELECT primary_title AS title, country, votes
            FROM titles JOIN ratings USING (title_id)
            WHERE contains(genres, $genre) AND start_year // 10 * 10 = $decade
            ORDER BY votes DESC, title_id LIMIT 4
            """,
        ),
        _route(
            "/films/people",
            "theme decade",
            """
            SELECT name, category AS role, count(*) AS films
            FROM titles JOIN crew USING (title_id) JOIN people USING (person_id)
            WHERE theme = $theme AND start_year // 10 * 10 = $decade
            GROUP BY person_id, name, category ORDER BY films DESC, person_id, role LIMIT 4
            """,
        ),
        _route(
            "/pages/categories",
            "question",
            """
            SELECT category, count(*) AS pages
            FROM (SELECT page_id FROM search_pages($question, 'en') ORDER BY score DESC, page_id LIMIT 20)
            JOIN categories USING (page_id)
            GROUP BY category ORDER BY pages DESC, category LIMIT 5
            """,
        ),
        _route(
            "/pages/links",
            "question",
            """
            SELECT p.title, p.kind, count(*) AS links
            FROM (SELECT page_id FROM search_pages($question, 'en') ORDER BY score DESC, page_id LIMIT 20) s
            JOIN links AS l ON l.from_page = s.page_id JOIN pages AS p ON p.page_id = l.to_page
            GROUP BY p.page_id, p.title, p.kind ORDER BY links DESC, p.page_id LIMIT 5
            """,
        ),
        _route(
            "/pages/translations",
            "question",
            """
            SELECT t.language, t.title, t.words
            FROM (SELECT page_id FROM search_pages($question, 'en') ORDER BY score DESC, page_id LIMIT 8) AS s
            JOIN pages AS p USING (page_id)
            JOIN pages AS t ON t.subject_id = p.subject_id AND t.language <> 'en'
            ORDER BY t.words DESC, t.page_id LIMIT 5
            """,
        ),
        _route(
            "/orders/shipping",
            "ship_mode year",
            """
            SELECT o_orderpriority AS priority, count(*) AS parcels,
                   count(*) FILTER (l_receiptdate > l_commitdate) AS late
            FROM lineitem JOIN orders ON o_orderkey = l_orderkey
            WHERE l_shipmode = $ship_mode AND year(l_receiptdate) = $year
            GROUP BY priority ORDER BY priority
            """,
        ),
        _route(
            "/orders/promotions",
            "year",
            """
            SELECT quarter(l_shipdate) AS quarter,
                   round(100 * sum(l_extendedprice * (1 - l_discount)) FILTER (p_type LIKE 'PROMO%')
                         / sum(l_extendedprice * (1 - l_discount)), 1) AS promotion_percent
            FROM lineitem JOIN part ON p_partkey = l_partkey
            WHERE year(l_shipdate) = $year GROUP BY quarter ORDER BY quarter
            """,
        ),
        _route(
            "/orders/containers",
            "brand",
            """
            SELECT p_container AS container, count(*) AS parts, round(avg(p_retailprice), 0) AS price
            FROM part WHERE p_brand = $brand GROUP BY container ORDER BY parts DESC, container LIMIT 4
            """,
        ),
    )
}
"""Path → route."""
