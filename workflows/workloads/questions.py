"""Question tables of any size for the workloads: `python -m workflows.workloads.questions films 64`.

Film and page questions are about 40 topics, some asked about far more than others (Zipf). Order questions
draw the parameters of TPC-H's statements, each from its small domain, evenly. So rows repeat one another
as rows of real tables do: whole questions among films and pages, single parameters among orders. The same
seed gives the same table, and a longer table begins with the shorter one.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable
from typing import TextIO

from workflows.films.words import DECADES, GENRES, THEMES
from workflows.pages.words import FIELDS
from workflows.workloads.order_rules import BRANDS, SEGMENTS, SHIP_MODES, YEARS

SEED = 2025
TOPICS = 40
HEADER = ("id", "user_query")

_FILMS = (
    "Which {genre} films about the {theme} from the {decade}s should we show?",
    "Plan an evening of {genre}: the {theme}, made in the {decade}s.",
    "Are {genre} films with a {theme} from the {decade}s still watched?",
    "Who made the best {genre} about a {theme} in the {decade}s?",
    "Give me an overview of {decade}s {genre} on the theme of the {theme}.",
)
_PAGES = (
    "What is known about {field}, and where?",
    "How did {field} begin and what came of it?",
    "Which places are known for {field}?",
    "Write me an introduction to {field}.",
    "Who should I read on {field}?",
)
_ORDERS = (
    "How did {segment} do in {year}? Look at {brand} and at {mode} deliveries.",
    "Review {year} for {segment} customers, parts of {brand} and shipping by {mode}.",
    "Should we stock more {brand} for {segment}? Figures of {year}, sent by {mode}.",
    "What went well in {year} with {segment}, {brand} and {mode}?",
)


def film_questions(count: int, *, wordings: int = 1, seed: int = SEED) -> tuple[str, ...]:
    """`count` questions on 40 film topics, each asked in `wordings` different ways (1 to 5)."""
    dice = random.Random(f"films {seed}")
    genres = [GENRES[int(len(GENRES) * dice.random() ** 2)] for _ in range(TOPICS)]
    topics = [
        {"theme": theme, "genre": genre, "decade": str(_choose(DECADES, dice))}
        for theme, genre in zip(_shuffled(tuple(THEMES), dice)[:TOPICS], genres, strict=True)
    ]
    return _ask(topics, _FILMS, count, wordings, dice)


def page_questions(count: int, *, wordings: int = 1, seed: int = SEED) -> tuple[str, ...]:
    """`count` questions on 40 fields of the encyclopedia, each asked in `wordings` different ways."""
    dice = random.Random(f"pages {seed}")
    topics = [{"field": field} for field in _shuffled(tuple(FIELDS), dice)[:TOPICS]]
    return _ask(topics, _PAGES, count, wordings, dice)


def order_questions(count: int, *, wordings: int = 1, seed: int = SEED) -> tuple[str, ...]:
    """`count` questions whose year, segment, brand and ship mode are drawn evenly and independently."""
    dice = random.Random(f"orders {seed}")
    asked = []
    for number in range(count):
        parameters = {
            "year": _choose(YEARS, dice),
            "segment": _choose(SEGMENTS, dice),
            "brand": _choose(BRANDS, dice),
            "mode": _choose(SHIP_MODES, dice),
        }
        wording = number + int(wordings * dice.random())
        asked.append(_ORDERS[wording % len(_ORDERS)].format(**parameters))
    return tuple(asked)


SETS: dict[str, Callable[..., tuple[str, ...]]] = {
    "films": film_questions,
    "pages": page_questions,
    "orders": order_questions,
}
"""Name of a set of questions → what makes it."""
ASKED = {
    "w1_film_diamond": "films",
    "w2_film_chains": "films",
    "w3_page_threads": "pages",
    "w4_page_bridge": "pages",
    "w5_order_trident": "orders",
    "w6_order_fanout": "orders",
}
"""Workload → the set of questions it is asked."""


def rows(name: str, count: int, *, wordings: int = 1, seed: int = SEED) -> list[dict[str, str]]:
    """A table of the set `name` (films, pages or orders) with the columns of HEADER."""
    asked = SETS[name](count, wordings=wordings, seed=seed)
    return [dict(zip(HEADER, (f"q{n:04}", text), strict=True)) for n, text in enumerate(asked, 1)]


def write(out: TextIO, name: str, count: int) -> None:
    """The table as CSV, header first."""
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(name, count))


def _ask(
    topics: list[dict[str, str]], phrasings: tuple[str, ...], count: int, wordings: int, dice: random.Random
) -> tuple[str, ...]:
    """Topic r of Zipf's law is drawn with weight 1/r; a topic's own wordings begin at its own phrasing."""
    weights = [1 / rank for rank in range(1, len(topics) + 1)]
    bounds = [sum(weights[: rank + 1]) / sum(weights) for rank in range(len(weights))]
    asked = []
    for _ in range(count):
        drawn = dice.random()
        number = next((n for n, bound in enumerate(bounds) if drawn < bound), len(topics) - 1)
        wording = number + int(wordings * dice.random())
        asked.append(phrasings[wording % len(phrasings)].format(**topics[number]))
    return tuple(asked)


# Only random() is promised to stay the same in future Pythons; choices and shuffle are not.


def _choose(options: tuple[object, ...], dice: random.Random) -> object:
    return options[int(len(options) * dice.random())]


def _shuffled(options: tuple[str, ...], dice: random.Random) -> list[str]:
    return [option for _, option in sorted((dice.random(), option) for option in options)]


if __name__ == "__main__":
    write(sys.stdout, sys.argv[1], int(sys.argv[2]))
