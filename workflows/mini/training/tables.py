"""Result tables of the four domains, printed as templates print them, with what a brief says of a row."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from engine.ir.ids import Json
from engine.templating.views import printed, view
from workflows.mini.training import words

Maker = Callable[[random.Random], Json]


@dataclass(frozen=True)
class Measure:
    """A column of figures: its name, how a brief says a value, and how values are made."""

    column: str
    said: str
    make: Maker


@dataclass(frozen=True)
class TableKind:
    """A kind of result: a label column and measures, in rank order or in order of time."""

    name: str
    domain: str
    title: str
    label: str
    labels: Callable[[random.Random, int], list[Json]]
    measures: tuple[Measure, ...]
    ranked: bool = True


@dataclass(frozen=True)
class Result:
    """A drawn table: its kind, title, and rows of JSON values as a tool returns them."""

    kind: TableKind
    title: str
    rows: tuple[tuple[Json, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in order: the label first."""
        return (self.kind.label, *(measure.column for measure in self.kind.measures))

    @property
    def text(self) -> str:
        """The table as it stands in a prompt."""
        raw = {"columns": list(self.columns), "rows": [list(row) for row in self.rows]}
        return printed(view(raw))


def cell(value: Json) -> str:
    """A value as it prints inside a table."""
    table = printed(view({"columns": [], "rows": [[value]]}))
    return table.split("\n")[1]


def whole(low: int, high: int) -> Maker:
    """Whole numbers of all lengths between the bounds."""
    digits = (len(str(low)), len(str(high)))

    def make(dice: random.Random) -> Json:
        size = dice.randint(*digits)
        return dice.randint(max(low, 10 ** (size - 1)), min(high, 10**size - 1))

    return make


def decimal(low: float, high: float, places: int) -> Maker:
    """Numbers with up to `places` decimals."""
    return lambda dice: round(dice.uniform(low, high), places)


def _pick(values: tuple[str, ...] | list[str]) -> Callable[[random.Random, int], list[Json]]:
    return lambda dice, count: list(dice.sample(values, min(count, len(values))))


def _each(make: Callable[[random.Random], str]) -> Callable[[random.Random, int], list[Json]]:
    return lambda dice, count: [make(dice) for _ in range(count)]


def _years(dice: random.Random, count: int) -> list[Json]:
    first = dice.choice((1992, 1993, 1994, dice.randint(1950, 2015)))
    return [first + step for step in range(count)]


def _numbered(name: str, digits: int) -> Callable[[random.Random], str]:
    return lambda dice: f"{name}#{dice.randint(1, 10 ** dice.randint(2, 5)):0{digits}d}"


def _brand(dice: random.Random) -> str:
    return f"Brand#{dice.randint(1, 5)}{dice.randint(1, 5)}"


_ORDERS = Measure("orders", "{} orders", whole(3, 9999))
_REVENUE = Measure("revenue", "revenue of {}", whole(10_000, 999_999_999))
_PERCENT = Measure("percent", "{} percent", decimal(0, 100, 1))
_RATING = Measure("rating", "a rating of {}", decimal(1, 10, 1))
_VOTES = Measure("votes", "{} votes", whole(5, 2_000_000))

KINDS: tuple[TableKind, ...] = (
    TableKind("revenue", "market", "Revenue by year", "year", _years, (_ORDERS, _REVENUE), ranked=False),
    TableKind("nations", "market", "Nations", "nation", _pick(words.NATIONS), (_ORDERS, _REVENUE)),
    TableKind("segments", "market", "Share of lines of business", "segment", _pick(words.SEGMENTS),
              (_ORDERS, _PERCENT)),
    TableKind("shipping", "market", "Late parcels by way of shipping", "mode", _pick(words.SHIP_MODES),
              (Measure("parcels", "{} parcels", whole(100, 99_999)),
               Measure("late", "{} late", whole(1, 9999)))),
    TableKind("priorities", "market", "Orders by priority", "priority", _pick(words.PRIORITIES), (_ORDERS,)),
    TableKind("customers", "market", "Largest customers", "customer", _each(_numbered("Customer", 9)),
              (_REVENUE,)),
    TableKind("suppliers", "market", "Suppliers", "supplier", _each(_numbered("Supplier", 9)),
              (Measure("cost", "a cost of {}", decimal(1, 1000, 2)),
               Measure("parts", "{} parts", whole(1, 999)))),
    TableKind("brands", "market", "Brands", "brand", _each(_brand),
              (Measure("quantity", "a quantity of {}", whole(10, 99_999)),
               Measure("price", "a price of {}", decimal(900, 2100, 2)))),
    TableKind("types", "market", "Part types", "type", _pick(words.PART_TYPES),
              (Measure("profit", "a profit of {}", decimal(-99_999, 9_999_999, 2)),)),
    TableKind("films", "films", "Films", "title", _each(words.film_title), (_RATING, _VOTES)),
    TableKind("directors", "films", "Directors", "person", _each(words.person),
              (Measure("films", "{} films", whole(1, 60)), _RATING)),
    TableKind("genres", "films", "Genres", "genre", _pick(words.GENRES),
              (Measure("films", "{} films", whole(10, 9999)), _RATING)),
    TableKind("releases", "films", "Releases by year", "year", _years,
              (Measure("films", "{} films", whole(10, 9999)), _VOTES), ranked=False),
    TableKind("pages", "pages", "Pages", "page", _each(words.page_title),
              (Measure("views", "{} views", whole(10, 999_999)),
               Measure("links", "{} links", whole(1, 999)))),
    TableKind("editions", "pages", "Editions", "language", _pick(list(words.LANGUAGES.values())),
              (Measure("pages", "{} pages", whole(100, 9_999_999)),)),
    TableKind("people", "pages", "Population by year", "year", _years,
              (Measure("population", "a population of {}", whole(500, 9_999_999)),), ranked=False),
    TableKind("topics", "feedback", "Messages by topic", "topic", _pick(words.CATEGORIES),
              (Measure("messages", "{} messages", whole(2, 9999)), _PERCENT)),
    TableKind("products", "feedback", "Complaints by product", "product", _each(words.product),
              (Measure("complaints", "{} complaints", whole(1, 999)),
               Measure("refunds", "{} refunds", whole(1, 999)))),
    TableKind("channels", "feedback", "Answer times by channel", "channel", _pick(words.CHANNELS),
              (Measure("hours", "{} hours", decimal(0.1, 99, 1)),)),
)  # fmt: skip


def draw_table(
    dice: random.Random,
    kind: TableKind,
    title: str,
    *,
    rows: tuple[int, int] = (2, 8),
    unknown: float = 0.01,
) -> Result:
    """A table of `kind`; ranked ones are in falling order of their last measure, without repeated labels.

    A share `unknown` of the figures is null.
    """
    labels = list(dict.fromkeys(kind.labels(dice, dice.randint(*rows))))
    made: list[tuple[Json, ...]] = [
        (label, *(_value(dice, measure, unknown) for measure in kind.measures)) for label in labels
    ]
    if kind.ranked:
        made.sort(key=lambda row: -1.0 if row[-1] is None else float(row[-1]), reverse=True)
    return Result(kind=kind, title=title, rows=tuple(made))


def _value(dice: random.Random, measure: Measure, unknown: float) -> Json:
    return None if dice.random() < unknown else measure.make(dice)
