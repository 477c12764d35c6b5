"""A plan's graph as a Mermaid flowchart, for documents that render it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haloctl.graph.plan_picture import OperatorFacts, PlanPicture, place_text, work_text
from haloctl.graph.svg import MODELS
from haloctl.sanitise import clean_line

LONGEST = 60
"""Characters of a line in a label."""

_PLAIN = re.compile(r"[^A-Za-z0-9 _.,:/()→·–-]")
_SHAPES = {"llm": ("[", "]"), "sql": ("[(", ")]"), "http": ("{{", "}}")}
_OTHER = ("[[", "]]")


def plan_mermaid(picture: PlanPicture) -> str:
    """The picture as Mermaid source, ending in a newline. The same plan gives the same text."""
    return "\n".join((*_source(picture), ""))


def _source(picture: PlanPicture) -> Iterator[str]:
    yield f"%% {_comment(picture.title)}: {_comment(picture.summary)}"
    for note in picture.notes:
        yield f"%% {_comment(note)}"
    yield "flowchart LR"
    for index, facts in enumerate(picture.operators):
        opened, closed = _SHAPES.get(facts.kind, _OTHER)
        yield f'  n{index}{opened}"{_label(facts)}"{closed}'
    for source, target in picture.graph.edges:
        yield f"  n{source} --> n{target}"
    models = dict.fromkeys(facts.model for facts in picture.operators if facts.model)
    for number, model in enumerate(models):
        members = ",".join(f"n{i}" for i, facts in enumerate(picture.operators) if facts.model == model)
        yield f"  classDef model{number} stroke:{MODELS[number % len(MODELS)]},stroke-width:3px"
        yield f"  class {members} model{number}"


def _label(facts: OperatorFacts) -> str:
    lines = [facts.label, place_text(facts), f"{work_text(facts)} calls"]
    if facts.prefix_tokens:
        lines.append(f"prefix of {facts.prefix_tokens:,} tokens shared")
    if facts.absorbed:
        lines.append("also " + ", ".join(facts.absorbed))
    return "<br/>".join(_escaped(clean_line(line, LONGEST)) for line in lines)


def _escaped(text: str) -> str:
    """Everything that Mermaid could take for syntax or markup as a character code."""
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", text)


def _comment(text: str) -> str:
    """A comment's text; braces would make it a directive."""
    return clean_line(text).replace("{", "(").replace("}", ")")
