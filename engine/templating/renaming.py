"""Conditions with other names in them: a loop's `until`, read from a later iteration."""

from __future__ import annotations

from collections.abc import Mapping

from engine.ir.template import Template
from engine.templating.environment import ENVIRONMENT
from engine.templating.syntax import compile_expression

_SPACE = ("whitespace", "")


def rename_roots(condition: Template, names: Mapping[str, str]) -> Template:
    """`condition` with each free name in `names` replaced by source text, such as `refine.iteration_0`.

    Fields, keyword arguments, filters and tests that happen to have such a name stay as they are.
    """
    tokens = [(kind, value) for _, kind, value in ENVIRONMENT.lexer.tokeniter(condition.source, None)]
    solid = [(at, token) for at, token in enumerate(tokens) if token[0] != "whitespace"]
    texts = [value for _, value in tokens]
    for place, (at, (kind, value)) in enumerate(solid):
        before = solid[place - 1][1] if place else _SPACE
        after = solid[place + 1][1] if place + 1 < len(solid) else _SPACE
        if kind == "name" and value in names and _is_free(before, solid, place) and after[1] != "=":
            texts[at] = names[value]
    return compile_expression("".join(texts))


def _is_free(before: tuple[str, str], solid: list[tuple[int, tuple[str, str]]], place: int) -> bool:
    if before[1] in (".", "|", "is"):
        return False
    return not (before[1] == "not" and place > 1 and solid[place - 2][1][1] == "is")
