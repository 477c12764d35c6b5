"""Examples made from the six workloads' own prompts, for training alone: forms to fill in from what is given.

What a form asks is often a matter of opinion, so opinions follow a rule that a small model can learn: the
first figure given decides, large or small. Figures are copied, what the question names is recognised, and
what an earlier answer said is kept.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from engine.ir.ids import Json
from workflows.mini.training.example import Example, Split
from workflows.mini.training.extract import as_json
from workflows.mini.training.shapes import as_printed
from workflows.mini.training.tables import KINDS, Result, draw_table
from workflows.workloads import questions
from workflows.workloads.order_rules import parameters

_HOLE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_LARGE = 1000
_SCALE_END = 5


@dataclass
class _Given:
    """What has been filled into one prompt so far."""

    question: str
    lead: tuple[str, Json] | None = None
    """Label and last figure of the first row given."""
    said: dict[str, Json] = field(default_factory=dict)
    """What earlier answers held."""

    @property
    def large(self) -> bool:
        figure = self.lead[1] if self.lead else self.said.get("figure", 0)
        return isinstance(figure, int | float) and figure >= _LARGE


def form(dice: random.Random, _split: Split) -> Example:
    """One prompt of one workload, filled in, and the object that answers it."""
    name = dice.choice(tuple(_workloads()))
    operators = _workloads()[name]
    chosen = dice.choice([key for key, spec in operators.items() if spec["kind"] == "llm"])
    given = _Given(_question(dice, name))
    prompt = _filled(dice, operators, chosen, given)
    return Example(
        family="form",
        domain=name,
        template=f"form.{name}.{chosen}",
        combination="form",
        messages=(("system", operators[chosen]["system"].strip()), ("user", prompt)),
        answer=as_json(_answer(operators[chosen]["schema"], given)),
    )


@cache
def _workloads() -> dict[str, dict[str, Any]]:
    """Workload → its operators as written."""
    found = {}
    for file in sorted((files("workflows.workloads")).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            spec = yaml.safe_load(file.read_text(encoding="utf-8"))
            found[spec["workflow"]] = spec["operators"]
    return found


def _question(dice: random.Random, workload: str) -> str:
    return questions.SETS[questions.ASKED[workload]](1, wordings=4, seed=dice.randrange(1 << 30))[0]


def _filled(dice: random.Random, operators: dict[str, Any], name: str, given: _Given) -> str:
    def fill(hole: re.Match[str]) -> str:
        return _value(dice, operators, hole.group(1), given)

    return _HOLE.sub(fill, operators[name]["prompt"]).strip()


def _value(dice: random.Random, operators: dict[str, Any], path: str, given: _Given) -> str:
    """What stands in a prompt for a reference: a table, items of a JSON body, or an earlier answer."""
    name, *rest = path.split(".")
    if name == "user_query":
        return given.question
    match operators[name]["kind"]:
        case "python":
            asked = parameters(given.question)
            return str(asked[rest[0]]) if rest else as_json(asked)
        case "llm":
            answered = _earlier(dice, operators, name, given)
            given.said |= answered
            return str(answered[rest[0]]) if rest else as_json(answered)
        case kind:
            result = _table(dice)
            given.lead = given.lead or (str(result.rows[0][0]), as_printed(result.rows[0][-1]))
            return _items(result) if kind == "http" else result.text


def _earlier(dice: random.Random, operators: dict[str, Any], name: str, given: _Given) -> dict[str, Json]:
    """An answer an earlier operator may have given: sometimes with a large figure, sometimes a small one."""
    figure = dice.choice((dice.randint(1, 999), dice.randint(1000, 9_999_999)))
    return _answer(operators[name]["schema"], _Given(given.question, lead=("", figure)))


def _table(dice: random.Random) -> Result:
    result = draw_table(dice, dice.choice(KINDS), "", rows=(2, 5))
    return result if result.rows[0][-1] is not None else _table(dice)


def _items(result: Result) -> str:
    rows = [dict(zip(result.columns, map(as_printed, row), strict=True)) for row in result.rows]
    return as_json(rows)


def _answer(schema: dict[str, Any], given: _Given) -> dict[str, Json]:
    answer: dict[str, Json] = {}
    for key in schema["required"]:
        answer[key] = _filled_in(key, schema["properties"][key], given)
    return answer


def _filled_in(key: str, spec: dict[str, Any], given: _Given) -> Json:
    if "enum" in spec:
        return _choice(key, spec["enum"], given)
    match spec["type"]:
        case "integer" if spec["maximum"] == _SCALE_END:
            return 4 if given.large else 2
        case "integer":
            figure = given.lead[1] if given.lead else given.said.get(key, given.said.get("figure", 0))
            whole = int(figure) if isinstance(figure, int | float) else 0
            return min(max(whole, spec["minimum"]), spec["maximum"])
        case "array":
            options = spec["items"]["enum"]
            return list(options[:2] if given.large else options[1 : 1 + max(1, spec["minItems"])])
        case _:
            return _sentence(given)


def _choice(key: str, options: list[Json], given: _Given) -> Json:
    named = [option for option in options if re.search(rf"\b{re.escape(str(option))}", given.question)]
    kept = given.said.get(key)
    if kept in options:
        return kept
    if named:
        return max(named, key=lambda option: len(str(option)))
    return options[0] if given.large else options[1]


def _sentence(given: _Given) -> str:
    if given.lead:
        return f"{given.lead[0]} leads with {given.lead[1]}."[:120]
    return f"The figures are {'large' if given.large else 'small'}."
