"""Exercises in copying, for training alone: short prompts, answers made of what stands in them.

Copying is the skill under all other tasks, and the slowest to appear; short dense exercises early in
training make it appear sooner. Texts that nearly repeat themselves teach to keep the place: a copy that goes
by the last word or two is led astray where these occur twice.
"""

from __future__ import annotations

import random

from workflows.mini.training import words
from workflows.mini.training.cells import (
    Turns,
    after,
    cell_exercise,
    column_exercise,
    object_exercise,
    place_exercise,
    row_exercise,
    tops_exercise,
)
from workflows.mini.training.example import Example, Split, worded
from workflows.mini.training.statements import STYLES, brief_text
from workflows.mini.training.tables import KINDS, draw_table

_REPEAT = ("Repeat: {}", "Say again: {}", "Copy this text: {}", "{}\nRepeat [it|this|the text].")
_LOOKUP = ("{}?", "What stands beside {}?", "And {}?", "Look up {}.")
_ALIKE = (
    "{a} did best with {x} percent of {y}.",
    "{a} was least punctual: {x} percent of {y} parcels came late.",
    "{a} leads with {x} million, ahead of {b} with {y} million.",
    "{a} from {b} bought most, for {x} million dollars.",
    "{a} delivered most, for {x} million.",
    "{a} in {b} brought {x} million dollars with {y} orders.",
    "{a} leads with {x} orders and {y} percent.",
    "{a} follows with {x} orders and {y} percent.",
    "{a} is last with {x}.",
    "In {y}: {x} of {a}.",
    "{x} percent more than in {y}.",
)
_WHOLE = ("Repeat [it all|all of it|every line|all lines].", "Copy the lines.", "All lines once more.")
_JOINED = ("Without labels.", "One paragraph without labels.", "Join the lines; leave out the labels.")
_ONE = ("What does {} say?", "Only {}.", "Copy the line of {}.", "{}?")
_LABELS = (
    "Sales", "Deliveries", "Trade", "Market", "Films", "Revenue", "Analyst A", "Analyst B", "Analyst C",
    "First", "Second", "Third", "Fourth", "North", "South",
)  # fmt: skip


def drill(dice: random.Random, _split: Split) -> Example:
    """One exercise with up to seven turns."""
    exercise = dice.choices(tuple(_EXERCISES), tuple(_EXERCISES.values()))[0]
    kind, turns = exercise(dice)
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
    texts = (" ".join(_word(dice) for _ in range(dice.randint(1, 12))) for _ in range(dice.randint(1, 3)))
    return "repeat", [(worded(dice, dice.choice(_REPEAT)).format(text), text) for text in texts]


def _lookup(dice: random.Random) -> tuple[str, Turns]:
    names = list(dict.fromkeys(_name(dice) for _ in range(dice.randint(2, 8))))
    values = {name: _word(dice) for name in names}
    joint = dice.choice((" | ", ": ", " = "))
    listed = "\n".join(f"{name}{joint}{value}" for name, value in values.items())
    asked = dice.sample(names, min(len(names), dice.randint(1, 5)))
    return "lookup", after(listed, [(dice.choice(_LOOKUP).format(name), values[name]) for name in asked])


def _alike(dice: random.Random) -> tuple[str, Turns]:
    """Labelled lines that nearly repeat each other, and what is made of them."""
    make = dice.choice((_near_sentences, _near_briefs))
    lines = make(dice, dice.randint(2, 6))
    labels = dice.sample(_LABELS, len(lines))
    labelled = [f"{label}: {line}" for label, line in zip(labels, lines, strict=True)]
    turns = [
        (worded(dice, dice.choice(_WHOLE)), "\n".join(labelled)),
        (dice.choice(_JOINED), " ".join(lines)),
    ]
    turns = [dice.choice(turns)] if dice.random() < 0.6 else turns
    for number in dice.sample(range(len(lines)), dice.randint(0, 2)):
        turns.append((dice.choice(_ONE).format(labels[number]), lines[number]))
    dice.shuffle(turns)
    return "alike", after("\n".join(labelled), turns)


def _near_sentences(dice: random.Random, count: int) -> list[str]:
    """Sentences of few forms, few names, and figures that begin or end like each other."""
    forms = dice.sample(_ALIKE, dice.randint(1, 3))
    names, figures = _near_names(dice), _near_figures(dice)

    def sentence() -> str:
        (a, b), (x, y) = dice.sample(names, 2), dice.sample(figures, 2)
        return dice.choice(forms).format(a=a, b=b, x=x, y=y)

    return [" ".join(sentence() for _ in range(dice.randint(1, 2))) for _ in range(count)]


def _near_briefs(dice: random.Random, count: int) -> list[str]:
    """Briefs of tables of one kind, now and then the same brief twice."""
    kind = dice.choice(KINDS)
    briefs = [brief_text(draw_table(dice, kind, "", rows=(0, 4)), dice.choice(STYLES)) for _ in range(count)]
    return [dice.choice(briefs) if dice.random() < 0.05 else one for one in briefs]


def _near_names(dice: random.Random) -> list[str]:
    make = dice.choice((words.coined, words.person, words.film_title, _nation, _mode, _customer))
    names = [make(dice) for _ in range(3)]
    if make is words.coined:
        stem = names[0]
        names += [stem + words.coined(dice).lower() for _ in range(2)]
    return names


def _near_figures(dice: random.Random) -> list[str]:
    first, second = dice.randint(1, 99), dice.randint(1, 99)
    return [
        str(first),
        str(second),
        f"{first}.{dice.randint(1, 9)}",
        f"{second}.{dice.randint(1, 9)}",
        f"{first}{dice.randint(0, 99)}",
        f"{second % 9 + 1}{first}",
    ]


def _name(dice: random.Random) -> str:
    return dice.choice((words.coined, words.person, words.film_title, _nation, words.product))(dice)


def _nation(dice: random.Random) -> str:
    return dice.choice(words.NATIONS)


def _mode(dice: random.Random) -> str:
    return dice.choice(words.SHIP_MODES)


def _customer(dice: random.Random) -> str:
    return f"{dice.choice(('Customer', 'Supplier'))}#{dice.randint(1, 999):09d}"


def _word(dice: random.Random) -> str:
    if dice.random() < 0.5:
        number = dice.randint(0, 10 ** dice.randint(1, 9))
        return str(number) if dice.random() < 0.7 else f"{number / 100:.2f}"
    return _name(dice)


_EXERCISES = {
    _repeat: 3,
    _lookup: 2,
    _alike: 7,
    row_exercise: 1,
    place_exercise: 4,
    cell_exercise: 3,
    object_exercise: 8,
    column_exercise: 6,
    tops_exercise: 6,
}
"""How often each comes: keeping the place, and finding a cell by its column, are learnt last."""
