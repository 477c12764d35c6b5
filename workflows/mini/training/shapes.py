"""Examples of answering from a table in the JSON shape that was asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from engine.ir.ids import Json
from workflows.mini.training.briefs import LOOKUP, a_table, block
from workflows.mini.training.example import Example, Phrasings, Split
from workflows.mini.training.extract import as_json
from workflows.mini.training.statements import brief_text
from workflows.mini.training.tables import Result, draw_table

_SYSTEM = Phrasings(
    "shape.system",
    (
        "Answer with one JSON object: {meanings}.",
        "Reply in JSON with the keys {keys}: {meanings}.",
        "You read tables and answer with a JSON object and nothing else. {meanings}.",
        "Rely on the figures you are given. Answer in JSON: {meanings}.",
        "Return JSON only, with the keys {keys}. {meanings}.",
        "Fill in a JSON object. {meanings}. Never invent a number.",
        "You are given a table. The keys of your answer are {keys}. {meanings}.",
        "Read the table and give a JSON object with {keys}. {meanings}.",
        "[Take|Copy] {keys} from the table [into|as] one JSON object. {meanings}.",
        "You fill in JSON objects from tables. Their keys are {keys}. {meanings}.",
    ),
    ("You read tables. Reply with one JSON object with the keys {keys}. {meanings}.",),
)
_AGAIN = ("Now another object:", "And:", "JSON again:", "Once more:", "From the same table:")
_KEYS = {
    "first": ("leader", "top", "first", "best", "name", "winner"),
    "last": ("last", "bottom", "weakest", "laggard"),
    "second": ("second", "runner_up", "next"),
    "figure": ("figure", "value", "amount", "number"),
    "names": ("names", "items", "list"),
    "summary": ("summary", "brief", "text", "answer"),
}
_MEANINGS = {
    "first": "{key} is the {label} of the first row",
    "last": "{key} is the {label} of the last row",
    "second": "{key} is the {label} of the second row",
    "figure": "{key} is the {column} of the first row",
    "names": "{key} lists the {label} of the first three rows",
    "summary": "{key} is one sentence on what stands out",
}
_PLACES = {"first": 0, "second": 1, "last": -1}


@dataclass(frozen=True)
class _Asked:
    """Keys and what each stands for; `column` is where their figure stands."""

    roles: tuple[str, ...]
    keys: tuple[str, ...]
    column: int

    @property
    def listed(self) -> str:
        """The keys in words."""
        *others, last = self.keys
        return f"{', '.join(others)} and {last}" if others else last

    def meanings(self, columns: Sequence[str]) -> str:
        """What is asked for, in words."""
        return "; ".join(
            _MEANINGS[role].format(key=key, label=columns[0], column=columns[self.column])
            for role, key in zip(self.roles, self.keys, strict=True)
        )

    def answer(self, result: Result) -> str:
        """The object read from a table."""
        pairs = zip(self.roles, self.keys, strict=True)
        return as_json({key: _value(role, result, self.column) for role, key in pairs})


def shape(dice: random.Random, split: Split) -> Example:
    """A table and the object read from it."""
    combination, result = a_table(dice, split)
    while len(result.rows) < 2:
        combination, result = a_table(dice, split)
    asked = _asked(dice, result.columns)
    system_name, system = _SYSTEM.choose(dice, split)
    answer = asked.answer(result)
    return Example(
        family="shape",
        domain=result.kind.domain,
        template=system_name,
        combination=combination,
        messages=(
            ("system", system.format(meanings=asked.meanings(result.columns), keys=asked.listed)),
            ("user", block(result)),
        ),
        answer=answer,
        followups=_followups(dice, asked, result) if split == "train" else (),
    )


def _asked(dice: random.Random, columns: Sequence[str]) -> _Asked:
    """One to four keys and their roles."""
    roles = dice.sample(tuple(_KEYS), dice.randint(1, 4))
    if "figure" not in roles and dice.random() < 0.5:
        roles[dice.randrange(len(roles))] = "figure"  # which column is the hardest part
    keys = tuple(dice.choice(_KEYS[role]) for role in roles)
    return _Asked(tuple(roles), keys, dice.randrange(1, len(columns)))


def _value(role: str, result: Result, column: int) -> Json:
    rows = result.rows
    match role:
        case "first":
            return rows[0][0]
        case "second":
            return rows[1][0]
        case "last":
            return rows[-1][0]
        case "figure":
            return as_printed(rows[0][column])
        case "names":
            return [row[0] for row in rows[:3]]
        case _:
            return brief_text(result, "leader")


def as_printed(value: Json) -> Json:
    """A value that prints the same in JSON as in the table, where 9.0 stands as 9."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def cells_asked(dice: random.Random, result: Result, keys: Sequence[str]) -> tuple[str, str]:
    """What keys mean, a cell each of a table with two rows or more, and the object they ask for.

    Several cells of one row beside each other leave no way but to read which column is meant. There are
    six cells or more to choose from; no cell is asked for twice.
    """
    chosen: dict[tuple[str, int], str] = {}
    for key in keys:
        place = (_place(dice), _column(dice, result))
        while place in chosen:
            place = (_place(dice), _column(dice, result))
        chosen[place] = key
    columns = result.columns
    meanings = (
        f"{key} is the {columns[column]} of the {place} row" for (place, column), key in chosen.items()
    )
    values = {key: as_printed(result.rows[_PLACES[place]][column]) for (place, column), key in chosen.items()}
    return "; ".join(meanings), as_json(values)


def _place(dice: random.Random) -> str:
    return dice.choices(tuple(_PLACES), (5, 1, 2))[0]


def _column(dice: random.Random, result: Result) -> int:
    return dice.randrange(0 if dice.random() < 0.2 else 1, len(result.columns))


def _followups(dice: random.Random, asked: _Asked, result: Result) -> tuple[tuple[str, str], ...]:
    """More questions on the table, sometimes after another one is read as the first was."""
    turns = []
    for _ in range(dice.choice((0, 0, 1, 2))):
        result = draw_table(dice, result.kind, result.title, rows=(2, 4))
        while len(result.rows) < 2:
            result = draw_table(dice, result.kind, result.title, rows=(2, 4))
        turns.append((block(result), asked.answer(result)))
    for _ in range(dice.randint(1, 5)):
        match dice.choice(("object", "object", "cells", "cells", "row")):
            case "object":
                again = _asked(dice, result.columns)
                turns.append((_more(dice, again.meanings(result.columns)), again.answer(result)))
            case "cells":
                keys = dice.sample(_KEYS["figure"], dice.randint(2, 4))
                meanings, answer = cells_asked(dice, result, keys)
                turns.append((_more(dice, meanings), answer))
            case _:
                row = dice.choice(result.rows)
                _, question = LOOKUP.choose(dice, "train")
                values = dict(zip(result.columns, map(as_printed, row), strict=True))
                turns.append((f"{question.format(label=row[0])} As JSON.", as_json(values)))
    return tuple(turns)


def _more(dice: random.Random, meanings: str) -> str:
    return f"{dice.choice(_AGAIN)} {meanings}."
