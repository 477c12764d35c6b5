"""Exercises in finding cells of tables, for training alone: rows, columns, places, and objects made of them.

Half the tables have columns from anywhere, so that nothing but its name tells where a column stands: in the
tables of the other tasks a percentage or a rating can be told by its look.
"""

from __future__ import annotations

import random

from workflows.mini.training.example import worded
from workflows.mini.training.extract import as_json
from workflows.mini.training.shapes import as_printed, cells_asked
from workflows.mini.training.tables import KINDS, Result, TableKind, cell, draw_table

Turns = list[tuple[str, str]]
"""Questions and their answers; the first question holds the table."""

_MEASURES = tuple({measure.column: measure for kind in KINDS for measure in kind.measures}.values())
_UNKNOWN = 0.04
"""Share of cells that hold no figure: more than elsewhere, since what is rare is learnt last."""
_CELL = (
    "What is the {column} of {label}?",
    "{label}: {column}?",
    "Give me the {column} of {label}.",
    "{column} for {label}, please.",
    "Which {column} stands in the row of {label}?",
    "Only the {column} of {label}.",
)
_ROW = ("Copy the row of {}.", "Which row begins with {}?", "Show the row of {}.")
_PLACE = (
    "Copy the {place} row.",
    "The {place} row[, please|]:",
    "[Show|Read] me the {place} row.",
    "What stands in the {place} row?",
)
_LABEL = (
    "Which {label} stands in the {place} row?",
    "The {label} of the {place} row[, please|].",
    "{place} row: {label}?",
)
_TOPS = (
    "Copy the {place} row of each table.",
    "[The|Only the] {place} row of every table, please.",
    "Table by table: the {place} row.",
    "Go through the tables and copy the {place} row of each.",
)
_COLUMNS: tuple[str, ...] = (
    "Copy {columns} of [each|every] row.",
    "Only {columns}, please.",
    "Show the table with {columns} alone.",
    "The columns {columns}:",
)
_OBJECTS: tuple[str, ...] = (
    "As JSON, row by row: {columns}.",
    "A JSON object for [each|every] row with {columns}.",
)
_LISTS: tuple[str, ...] = ("As JSON, column by column: {columns}.", "One JSON object with lists: {columns}.")
_CELLS = ("{meanings}. JSON.", "JSON: {meanings}.", "One JSON object: {meanings}.", "Fill in: {meanings}.")
_KEYS = (
    "a", "b", "c", "d", "x", "y", "z", "one", "two", "three", "left", "right", "wanted", "found", "figure",
    "value", "amount", "number", "other", "answer",
)  # fmt: skip
_PLACES = {"first": 0, "second": 1, "last": -1}


def row_exercise(dice: random.Random) -> tuple[str, Turns]:
    """Whole rows, by their labels."""
    result = _drawn(dice, (2, 7))
    lines = _lines(result)
    asked = dice.sample(range(len(lines)), min(len(lines), dice.randint(1, 4)))
    turns = [(dice.choice(_ROW).format(cell(result.rows[number][0])), lines[number]) for number in asked]
    return "row", after(result.text, turns)


def place_exercise(dice: random.Random) -> tuple[str, Turns]:
    """Rows and labels by where they stand, in short and in long tables."""
    result = _drawn(dice, dice.choice(((2, 6), (7, 16))))
    lines, turns = _lines(result), []
    for _ in range(dice.randint(2, 5)):
        place = dice.choices(tuple(_PLACES), (1, 1, 2))[0]
        if dice.random() < 0.6:
            question, answer = dice.choice(_PLACE), lines[_PLACES[place]]
        else:
            question, answer = dice.choice(_LABEL), cell(result.rows[_PLACES[place]][0])
        turns.append((worded(dice, question).format(place=place, label=result.columns[0]), answer))
    return "place", after(result.text, turns)


def cell_exercise(dice: random.Random) -> tuple[str, Turns]:
    """Single cells, by label and column."""
    result = _drawn(dice, (2, 7))
    turns = []
    for _ in range(dice.randint(3, 7)):
        row, column = dice.choice(result.rows), dice.randrange(1, len(result.columns))
        question = dice.choice(_CELL).format(label=row[0], column=result.columns[column])
        turns.append((question, cell(row[column])))
    return "cell", after(result.text, turns)


def object_exercise(dice: random.Random) -> tuple[str, Turns]:
    """Several cells under other names, asked for before the table or after it."""
    result = _drawn(dice, (2, 5))
    turns = []
    for _ in range(dice.randint(1, 4)):
        meanings, answer = cells_asked(dice, result, dice.sample(_KEYS, dice.randint(2, 6)))
        turns.append((dice.choice(_CELLS).format(meanings=meanings), answer))
    if dice.random() < 0.5:
        (question, answer), *more = turns
        return "objects", [(f"{question}\n{result.text}", answer), *more]
    return "objects", after(result.text, turns)


def column_exercise(dice: random.Random) -> tuple[str, Turns]:
    """Some columns in any order: as a table, as an object for each row, or as a list for each column."""
    result = _drawn(dice, (2, 5))
    return "columns", after(result.text, [_columns_asked(dice, result) for _ in range(dice.randint(1, 3))])


def _columns_asked(dice: random.Random, result: Result) -> tuple[str, str]:
    chosen = dice.sample(range(len(result.columns)), dice.randint(1, len(result.columns)))
    names = [result.columns[column] for column in chosen]
    rows = [[as_printed(row[column]) for column in chosen] for row in result.rows]
    questions = dice.choice((_COLUMNS, _OBJECTS, _OBJECTS, _LISTS))
    if questions is _COLUMNS:
        answer = "\n".join(" | ".join(map(cell, row)) for row in rows)
    elif questions is _OBJECTS:
        answer = "\n".join(as_json(dict(zip(names, row, strict=True))) for row in rows)
    else:
        answer = as_json({name: [row[at] for row in rows] for at, name in enumerate(names)})
    return worded(dice, dice.choice(questions)).format(columns=_listed(names)), answer


def tops_exercise(dice: random.Random) -> tuple[str, Turns]:
    """One row of each of several tables, often of like tables."""
    alike = dice.choice(KINDS) if dice.random() < 0.3 else None
    results = [_drawn(dice, (2, 6), alike or dice.choice(KINDS)) for _ in range(dice.randint(2, 4))]
    lines = [_lines(result) for result in results]
    turns = []
    for place in dice.sample(tuple(_PLACES), dice.randint(1, len(_PLACES))):
        question = worded(dice, dice.choice(_TOPS)).format(place=place)
        turns.append((question, "\n".join(rows[_PLACES[place]] for rows in lines)))
    return "tops", after("\n".join(f"{one.kind.title}:\n{one.text}" for one in results), turns)


def after(text: str, turns: Turns) -> Turns:
    """The turns, with a text before the first question."""
    (question, answer), *more = turns
    return [(f"{text}\n{question}", answer), *more]


def _drawn(dice: random.Random, rows: tuple[int, int], kind: TableKind | None = None) -> Result:
    """A table of `kind`, of any kind, or with columns from anywhere; two rows at least."""
    chosen = kind or dice.choice(KINDS)
    if kind is None and dice.random() < 0.5:
        measures = tuple(dice.sample(_MEASURES, dice.randint(2, 4)))
        chosen = TableKind("mixed", chosen.domain, "", chosen.label, chosen.labels, measures, chosen.ranked)
    while True:
        result = draw_table(dice, chosen, "", rows=rows, unknown=_UNKNOWN)
        if len(result.rows) > 1:
            return result


def _lines(result: Result) -> list[str]:
    return result.text.split("\n")[1:]


def _listed(names: list[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
