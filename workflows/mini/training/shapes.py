"""Examples of answering from a table in the JSON shape that was asked for."""

from __future__ import annotations

import random

from engine.ir.ids import Json
from workflows.mini.training.briefs import LOOKUP, a_table, block, figures_in
from workflows.mini.training.example import Example, Phrasings, Split
from workflows.mini.training.extract import as_json
from workflows.mini.training.statements import brief_text
from workflows.mini.training.tables import Result

_SYSTEM = Phrasings(
    "shape.system",
    (
        "Answer with one JSON object: {meanings}.",
        "Reply in JSON with the keys {keys}: {meanings}.",
        "You read tables and answer with a JSON object and nothing else. {meanings}.",
        "Rely on the figures you are given. Answer in JSON: {meanings}.",
        "Return JSON only, with the keys {keys}. {meanings}.",
        "Fill in a JSON object. {meanings}. Never invent a number.",
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


def shape(dice: random.Random, split: Split) -> Example:
    """A table and the object read from it."""
    combination, result = a_table(dice, split)
    while len(result.rows) < 2:
        combination, result = a_table(dice, split)
    system_name, system, answer = _object(dice, split, result)
    return Example(
        family="shape",
        domain=result.kind.domain,
        template=system_name,
        combination=combination,
        messages=(("system", system), ("user", block(result))),
        answer=answer,
        figures=figures_in(answer, [result]),
        allowed=result.figures(),
        followups=_followups(dice, result) if split == "train" else (),
    )


def _object(dice: random.Random, split: Split, result: Result) -> tuple[str, str, str]:
    """A system message's identity and text, and the object it asks for."""
    listed, meanings, answer = _asked(dice, result)
    name, text = _SYSTEM.choose(dice, split)
    return name, text.format(meanings=meanings, keys=listed), answer


def _asked(dice: random.Random, result: Result) -> tuple[str, str, str]:
    """One to four keys, what they mean, and the object."""
    roles = dice.sample(tuple(_KEYS), dice.randint(1, 4))
    if "figure" not in roles and dice.random() < 0.5:
        roles[dice.randrange(len(roles))] = "figure"  # which column is the hardest part
    keys = [dice.choice(_KEYS[role]) for role in roles]
    column = dice.randrange(1, len(result.columns))
    meanings = "; ".join(
        _MEANINGS[role].format(key=key, label=result.columns[0], column=result.columns[column])
        for role, key in zip(roles, keys, strict=True)
    )
    listed = " and ".join(keys) if len(keys) < 3 else ", ".join(keys[:-1]) + " and " + keys[-1]
    values = {key: _value(role, result, column) for role, key in zip(roles, keys, strict=True)}
    return listed, meanings, as_json(values)


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


def _followups(dice: random.Random, result: Result) -> tuple[tuple[str, str], ...]:
    turns = []
    for _ in range(dice.randint(1, 5)):
        if dice.random() < 0.7:
            _, meanings, answer = _asked(dice, result)
            turns.append((f"{dice.choice(_AGAIN)} {meanings}.", answer))
        else:
            row = dice.choice(result.rows)
            _, question = LOOKUP.choose(dice, "train")
            values = dict(zip(result.columns, map(as_printed, row), strict=True))
            turns.append((f"{question.format(label=row[0])} As JSON.", as_json(values)))
    return tuple(turns)
