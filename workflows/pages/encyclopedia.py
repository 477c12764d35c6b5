"""Invents an encyclopedia: the same one for the same scale and seed, on every machine.

A subject has a page in English and, with luck, in German, French and Spanish. A few pages are long, read
and linked to; most are stubs. Views are not known of all pages. Categories are given to English pages alone,
and not to stubs; a translation is found with them through its subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workflows.pages.words import (
    BEGINNINGS,
    ENDINGS,
    FIELDS,
    KINDS,
    LANGUAGES,
    MIDDLES,
    OPENINGS,
    SENTENCES,
)
from workflows.tables import Tables

SUBJECTS_AT_SCALE_1 = 20_000
_SEED = 1751
_IN_LANGUAGE = (1.0, 0.4, 0.35, 0.3)
_STUB_SENTENCES = 3

TYPES = {
    "pages": (
        "page_id integer, subject_id integer, language text, title text, kind text, text text,"
        " words integer, views integer"
    ),
    "categories": "page_id integer, category text",
    "links": "from_page integer, to_page integer",
}
"""Columns of each table, as both databases take them. Pages on one subject are each other's translations."""


@dataclass(frozen=True)
class _Subject:
    """What a page is about. Fields are the one it is known for and a second one."""

    name: str
    kind: str
    field: str
    second: str
    year: int


def count_subjects(scale: float) -> int:
    """Subjects there are at `scale`; every field has two at any scale."""
    return max(2 * len(FIELDS), round(SUBJECTS_AT_SCALE_1 * scale))


def make_tables(scale: float, seed: int = _SEED) -> Tables:
    """All tables at `scale`; 1 is 20,000 subjects, some 41,000 pages."""
    # RandomState is frozen by numpy: the same numbers in every release, unlike Generator's.
    dice = np.random.RandomState(seed)
    subjects = _subjects(count_subjects(scale), dice)
    pages: list[tuple[object, ...]] = []
    categories: list[tuple[int, str]] = []
    for subject_id, subject in enumerate(subjects, 1):
        sentences = 2 + int(min(60, 1.5 / (1 - dice.random_sample()) ** 0.8))
        for place, language in enumerate(LANGUAGES):
            if dice.random_sample() >= _IN_LANGUAGE[place]:
                continue
            text = _text(subject, subjects, place, sentences, dice)
            views = int(20 / (1 - dice.random_sample()) ** 1.2) if dice.random_sample() < 0.9 else None
            page_id = len(pages) + 1
            row = (subject_id, language, subject.name, subject.kind, text, len(text.split()), views)
            pages.append((page_id, *row))
            if language == "en" and sentences > _STUB_SENTENCES:
                categories += [(page_id, category) for category in _categories(subject)]
    return {
        "pages": _columns("pages", pages),
        "categories": _columns("categories", categories),
        "links": _columns("links", _links(len(pages), dice)),
    }


def _columns(table: str, rows: list[Any]) -> dict[str, list[object]]:
    names = [column.split()[0] for column in TYPES[table].split(",")]
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _subjects(count: int, dice: Any) -> list[_Subject]:
    """Every field has subjects at any scale: the first ones go round all of them, the rest are skewed."""
    fields = tuple(FIELDS)
    subjects = []
    for number in range(count):
        skewed = min(len(fields) - 1, int(len(fields) * dice.random_sample() ** 1.8))
        middles = "".join(_one(MIDDLES, dice) for _ in range(int(dice.randint(1, 3))))
        subjects.append(
            _Subject(
                name=f"{_one(BEGINNINGS, dice)}{middles}{_one(ENDINGS, dice)}",
                kind=_one(tuple(KINDS), dice),
                field=fields[number if number < len(fields) else skewed],
                second=_one(fields, dice),
                year=int(dice.randint(1100, 1990)),
            )
        )
    return subjects


def _text(subject: _Subject, subjects: list[_Subject], place: int, sentences: int, dice: Any) -> str:
    fields = {"field": FIELDS[subject.field][place], "second": FIELDS[subject.second][place]}
    opening = OPENINGS[place].format(name=subject.name, kind=KINDS[subject.kind][place], **fields)
    first = int(dice.randint(len(SENTENCES[place])))
    said = (
        SENTENCES[place][(first + number) % len(SENTENCES[place])].format(
            year=subject.year + int(dice.randint(0, 30)),
            count=int(dice.randint(2, 900)),
            other=_one(subjects, dice).name,
            **fields,
        )
        for number in range(sentences - 1)
    )
    return " ".join((opening, *said))


def _categories(subject: _Subject) -> tuple[str, ...]:
    return (subject.field, subject.kind, f"{1 + subject.year // 100}th century")


def _links(pages: int, dice: Any) -> list[tuple[int, int]]:
    """Early pages are linked to more; no page links to itself, or twice to another."""
    found: set[tuple[int, int]] = set()
    for page in range(1, pages + 1):
        for _ in range(int(dice.randint(0, 7))):
            target = 1 + min(pages - 1, int(pages * dice.random_sample() ** 3))
            if target != page:
                found.add((page, target))
    return sorted(found)


def _one(words: Any, dice: Any) -> Any:
    return words[int(dice.randint(len(words)))]
