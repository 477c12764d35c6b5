"""Invents a film catalogue: the same one for the same scale and seed, on every machine.

Shaped like the public film catalogues: a few titles get most of the votes, some people make many films,
older films lack runtimes and votes, and names and titles are written in several scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workflows.films.words import (
    AND,
    COUNTRIES,
    DECADES,
    FAMILY_NAMES,
    GENRES,
    GIVEN_NAMES,
    KINDS,
    LANGUAGES,
    THEMES,
)
from workflows.tables import Tables

TITLES_AT_SCALE_1 = 100_000
_SEED = 1895
_PEOPLE_PER_TITLE = 0.8
_ROLES = ("actor", "actress", "director", "writer", "composer", "producer")
_ROLE_WEIGHTS = (0.32, 0.28, 0.14, 0.12, 0.06, 0.08)
_DECADE_WEIGHTS = (0.05, 0.07, 0.09, 0.12, 0.17, 0.22, 0.28)
_LANGUAGE_WEIGHTS = (0.45, 0.17, 0.14, 0.14, 0.10)

TYPES = {
    "titles": (
        "title_id integer, kind text, primary_title text, original_title text, theme text, genres text,"
        " start_year integer, runtime_minutes integer, country text"
    ),
    "ratings": "title_id integer, average_rating double precision, votes integer",
    "people": "person_id integer, name text, birth_year integer, death_year integer, professions text",
    "alternative_titles": "title_id integer, ordering integer, title text, region text, language text,"
    " is_original boolean",
    "crew": "title_id integer, ordering integer, person_id integer, category text, characters text",
}
"""Columns of each table, as both databases take them. `genres` holds one to three, divided by commas."""


@dataclass
class _Rows:
    """A table as it grows, row by row."""

    names: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)

    def columns(self) -> dict[str, list[object]]:
        return {name: [row[place] for row in self.rows] for place, name in enumerate(self.names)}


def count_titles(scale: float) -> int:
    """Titles there are at `scale`; every theme has one at any scale."""
    return max(len(THEMES), round(TITLES_AT_SCALE_1 * scale))


def make_tables(scale: float, seed: int = _SEED) -> Tables:
    """All tables at `scale`; 1 is 100,000 titles, 80,000 people and half a million crew entries."""
    # RandomState is frozen by numpy: the same numbers in every release, unlike Generator's.
    dice = np.random.RandomState(seed)
    count = count_titles(scale)
    people = max(len(GIVEN_NAMES), round(count * _PEOPLE_PER_TITLE))
    tables = {name: _Rows(_names(columns)) for name, columns in TYPES.items()}
    _add_people(tables["people"], people, dice)
    for number in range(1, count + 1):
        year = _add_title(tables, number, dice)
        _add_rating(tables["ratings"], number, year, dice)
        _add_crew(tables["crew"], number, people, dice)
    return {name: table.columns() for name, table in tables.items()}


def _names(columns: str) -> tuple[str, ...]:
    return tuple(column.split()[0] for column in columns.split(","))


def _add_people(table: _Rows, count: int, dice: Any) -> None:
    for number in range(1, count + 1):
        name = f"{_one(GIVEN_NAMES, dice)} {_one(FAMILY_NAMES, dice)}"
        born = int(dice.randint(1900, 1996)) if dice.random_sample() < 0.7 else None
        died = None
        if born is not None and born < 1960 and dice.random_sample() < 0.5:
            died = min(2019, born + int(dice.randint(35, 95)))
        professions = sorted({_one(_ROLES, dice), _one(_ROLES, dice)})
        table.rows.append((number, name, born, died, ",".join(professions)))


def _add_title(tables: dict[str, _Rows], number: int, dice: Any) -> int:
    """The title under its names; returns its year."""
    # Every theme has titles at any scale: the first ones go round all of them, the rest are skewed.
    themes = tuple(THEMES)
    theme = themes[number - 1] if number <= len(themes) else themes[_skewed(len(themes), 0.4, dice)]
    second = _one(themes, dice)
    language = int(dice.choice(len(LANGUAGES), p=_LANGUAGE_WEIGHTS))
    year = int(dice.choice(DECADES, p=_DECADE_WEIGHTS)) + int(dice.randint(10))
    in_language = [_title(theme, second, place, number) for place in range(len(LANGUAGES))]
    kind = KINDS[_skewed(len(KINDS), 1.3, dice)]
    shortest, longest = (4, 40) if kind == "short" else (70, 180)
    runtime = (
        int(dice.randint(shortest, longest)) if dice.random_sample() < 0.6 + (year - 1950) / 200 else None
    )
    genres = ",".join(
        dict.fromkeys(GENRES[_skewed(len(GENRES), 0.6, dice)] for _ in range(dice.randint(1, 4)))
    )
    tables["titles"].rows.append(
        (
            number,
            kind,
            in_language[0],
            in_language[language],
            theme,
            genres,
            year,
            runtime,
            COUNTRIES[language],
        )
    )
    shown = [place for place in range(len(LANGUAGES)) if place == language or dice.random_sample() < 0.3]
    for ordering, place in enumerate(shown, 1):
        tables["alternative_titles"].rows.append(
            (number, ordering, in_language[place], COUNTRIES[place], LANGUAGES[place], place == language)
        )
    return year


def _title(theme: str, second: str, place: int, number: int) -> str:
    """In the language at `place`; sequels carry a number, as many titles would otherwise be the same."""
    words = THEMES[theme][place]
    if second != theme and number % 3:
        words += AND[place] + THEMES[second][place]
    return words if number % 4 else f"{words} {2 + number // 4 % 7}"


def _add_rating(table: _Rows, number: int, year: int, dice: Any) -> None:
    if dice.random_sample() > 0.5 + (year - 1950) / 150:
        return  # nobody rated it
    votes = int(min(2_500_000, 5 / (1 - dice.random_sample()) ** 1.4))
    rating = round(float(min(9.8, max(1.2, dice.normal(6.2, 1.3)))), 1)
    table.rows.append((number, rating, votes))


def _add_crew(table: _Rows, number: int, people: int, dice: Any) -> None:
    ordering = 1
    for position in range(int(dice.randint(3, 8))):
        role = "director" if position == 0 else str(dice.choice(_ROLES, p=_ROLE_WEIGHTS))
        person = 1 + _skewed(people, 0.5, dice)
        acts = role in ("actor", "actress") and dice.random_sample() < 0.8
        table.rows.append((number, ordering, person, role, _one(GIVEN_NAMES, dice) if acts else None))
        ordering += 1


def _one(words: tuple[str, ...], dice: Any) -> str:
    return words[int(dice.randint(len(words)))]


def _skewed(count: int, skew: float, dice: Any) -> int:
    """A number below `count`, low ones more often; 0 is even, 1 strongly skewed."""
    return min(count - 1, int(count * dice.random_sample() ** (1 + 2 * skew)))
