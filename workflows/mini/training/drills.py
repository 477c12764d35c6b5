"""Exercises in copying, for training alone: short prompts, answers made of what stands in them.

Copying is the skill under all other tasks, and the slowest to appear; short dense exercises early in
training make it appear sooner.
"""

from __future__ import annotations

import random

from workflows.mini.training import words
from workflows.mini.training.example import Example, Split, worded
from workflows.mini.training.tables import KINDS, cell, draw_table

_REPEAT = ("Repeat: {}", "Say again: {}", "Copy this text: {}", "{}\nRepeat [it|this|the text].")
_LOOKUP = ("{}?", "What stands beside {}?", "And {}?", "Look up {}.")
_CELL = (
    "What is the {column} of {label}?",
    "{label}: {column}?",
    "Give me the {column} of {label}.",
    "{column} for {label}, please.",
    "Which {column} stands in the row of {label}?",
    "Only the {column} of {label}.",
)
_ROW = ("Copy the row of {}.", "Which row begins with {}?", "Show the row of {}.")

_TOPS = (
    "Copy the {place} row of each table.",
    "[The|Only the] {place} row of every table, please.",
    "Table by table: the {place} row.",
    "Go through the tables and copy the {place} row of each.",
)
_PLACES = {"first": 0, "last": -1}

Turns = list[tuple[str, str]]


def drill(dice: random.Random, _split: Split) -> Example:
    """One exercise with up to seven turns."""
    kind, turns = dice.choice(_EXERCISES)(dice)
    (question, answer), *more = turns
    return Example(
        family="drill",
        domain="copying",
        template=f"drill.{kind}",
        combination="copying",
        messages=(("user", question),),
        answer=answer,
        followups=tuple(more),
    )


def _repeat(dice: random.Random) -> tuple[str, Turns]:
    texts = (" ".join(_word(dice) for _ in range(dice.randint(1, 8))) for _ in range(dice.randint(1, 3)))
    return "repeat", [(worded(dice, dice.choice(_REPEAT)).format(text), text) for text in texts]


def _lookup(dice: random.Random) -> tuple[str, Turns]:
    names = list(dict.fromkeys(_name(dice) for _ in range(dice.randint(2, 8))))
    values = {name: _word(dice) for name in names}
    joint = dice.choice((" | ", ": ", " = "))
    listed = "\n".join(f"{name}{joint}{value}" for name, value in values.items())
    asked = dice.sample(names, min(len(names), dice.randint(1, 5)))
    return "lookup", _after(listed, [(dice.choice(_LOOKUP).format(name), values[name]) for name in asked])


def _row(dice: random.Random) -> tuple[str, Turns]:
    table = draw_table(dice, dice.choice(KINDS), "", rows=(2, 7))
    lines = table.text.split("\n")[1:]
    asked = dice.sample(range(len(lines)), min(len(lines), dice.randint(1, 4)))
    turns = [(dice.choice(_ROW).format(cell(table.rows[number][0])), lines[number]) for number in asked]
    return "row", _after(table.text, turns)


def _cell(dice: random.Random) -> tuple[str, Turns]:
    table = draw_table(dice, dice.choice(KINDS), "", rows=(2, 7))
    turns = []
    for _ in range(dice.randint(2, 7)):
        row, column = dice.choice(table.rows), dice.randrange(1, len(table.columns))
        question = dice.choice(_CELL).format(label=row[0], column=table.columns[column])
        turns.append((question, cell(row[column])))
    return "cell", _after(table.text, turns)


def _tops(dice: random.Random) -> tuple[str, Turns]:
    tables = [draw_table(dice, dice.choice(KINDS), "", rows=(1, 6)) for _ in range(dice.randint(2, 4))]
    lines = [table.text.split("\n")[1:] for table in tables]
    turns = []
    for place in dice.sample(tuple(_PLACES), dice.randint(1, len(_PLACES))):
        question = worded(dice, dice.choice(_TOPS)).format(place=place)
        turns.append((question, "\n".join(rows[_PLACES[place]] for rows in lines)))
    return "tops", _after("\n".join(f"{table.kind.title}:\n{table.text}" for table in tables), turns)


def _after(text: str, turns: Turns) -> Turns:
    (question, answer), *more = turns
    return [(f"{text}\n{question}", answer), *more]


def _name(dice: random.Random) -> str:
    return dice.choice((words.coined, words.person, words.film_title, _nation, words.product))(dice)


def _nation(dice: random.Random) -> str:
    return dice.choice(words.NATIONS)


def _word(dice: random.Random) -> str:
    if dice.random() < 0.5:
        number = dice.randint(0, 10 ** dice.randint(1, 9))
        return str(number) if dice.random() < 0.7 else f"{number / 100:.2f}"
    return _name(dice)


_EXERCISES = (_repeat, _lookup, _row, _cell, _cell, _cell, _tops, _tops)
"""Finding a cell by its column, and a row in one table after another, are what models fail at longest."""
