"""What counts as a right answer of each family, decided from the text alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from engine.ir.ids import Json
from workflows.mini.training.example import FAMILIES, Example, Family

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")

TARGETS: dict[Family, float] = {
    "extract": 0.98,
    "classify": 0.95,
    "brief": 0.95,
    "merge": 0.90,
    "shape": 0.95,
    "market": 0.95,
}
"""Share of held-out examples that must be right."""
MEANING: dict[Family, str] = {
    "extract": "the object asked for, every value exact",
    "classify": "every label right",
    "brief": "cites the figures asked for, in order, and no others",
    "merge": "keeps every figure of the briefs and adds none",
    "shape": "JSON of exactly the keys asked for, every value exact",
    "market": "the market brief's own prompts: every figure, in order, and no others",
}


Scores = Mapping[Family, Mapping[str, float]]
"""Family → share of its examples that are right, exact, valid and faithful."""


@dataclass(frozen=True)
class Grade:
    """`right` decides the family's score; `exact` is equality with the reference; `valid` means that JSON,
    where asked for, has exactly the keys asked for (always true of prose); `faithful` that no figure is
    invented.
    """

    right: bool
    exact: bool
    valid: bool
    faithful: bool


def grade(example: Example, text: str) -> Grade:
    """Judge the model's answer to an example."""
    wanted, found = as_object(example.answer), as_object(text)
    valid = wanted is None or (found is not None and wanted.keys() == found.keys())
    cited = numbers(text)
    faithful = set(cited) <= set(numbers(prompt_text(example)))
    exact = text == example.answer
    match example.family:
        case "extract" | "shape" | "form":
            right = wanted == found
        case "classify":
            right = wanted == found if wanted is not None else exact
        case "brief" | "market":
            right = cited == numbers(example.answer)
        case "merge":
            right = valid and Counter(cited) == Counter(numbers(example.answer))
        case "drill":
            right = exact
    return Grade(right=right, exact=exact, valid=valid, faithful=faithful)


def numbers(text: str) -> list[str]:
    """Numbers in a text, in order, as written."""
    return _NUMBER.findall(text)


def prompt_text(example: Example) -> str:
    """All that the model was given."""
    return "\n".join(content for _, content in example.messages)


def as_object(text: str) -> dict[str, Json] | None:
    """The JSON object that `text` is, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def missed(scores: Scores) -> tuple[Family, ...]:
    """Families below their targets."""
    return tuple(family for family in FAMILIES if scores[family]["right"] < TARGETS[family])


def table(scores: Scores) -> str:
    """Scores by family beside their targets, as Markdown; those below them in bold."""
    lines = ["| task | right means | right | target | same text | valid JSON | nothing invented |"]
    lines.append("|---|---|---|---|---|---|---|")
    for family in FAMILIES:
        shares = {name: f"{100 * share:.1f} %" for name, share in scores[family].items()}
        right = f"**{shares['right']}**" if family in missed(scores) else shares["right"]
        lines.append(
            f"| {family} | {MEANING[family]} | {right} | ≥ {100 * TARGETS[family]:.0f} % "
            f"| {shares['exact']} | {shares['valid']} | {shares['faithful']} |"
        )
    return "\n".join(lines)
