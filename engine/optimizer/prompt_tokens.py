"""How many tokens of a prompt are known before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable

from engine.ir.batch import Query
from engine.ir.ids import Json
from engine.ir.logical import LlmOperator, Operator
from engine.ir.template import Literal, Template

CHARACTERS_PER_TOKEN = 4


def estimate_tokens(text: str) -> int:
    """Tokens of `text` without a tokenizer: about four characters each, at least one unless empty."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def value_text(value: Json) -> str:
    """A query input about as a template prints it."""
    return value if isinstance(value, str) else json.dumps(value)


class TokenCounter:
    """`count` with a memory: literals and repeated values are counted once."""

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count
        self._known: dict[str, int] = {"": 0}
        self._literals: dict[int, tuple[LlmOperator, int]] = {}

    def tokens(self, text: str) -> int:
        """Tokens of `text` standing alone."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._count(text)
        return found

    def literal_tokens(self, operator: LlmOperator) -> int:
        """Tokens of all fixed text in the operator's prompt."""
        known = self._literals.get(id(operator))
        if known is None:
            total = sum(
                self.tokens(segment.text)
                for template in prompt_templates(operator)
                for segment in template.segments
                if isinstance(segment, Literal)
            )
            # The operator is kept beside the count, so that its id cannot be taken by another.
            known = self._literals[id(operator)] = (operator, total)
        return known[1]


def prompt_templates(operator: LlmOperator) -> tuple[Template, ...]:
    """System and user template, in prompt order."""
    return (operator.prompt,) if operator.system is None else (operator.system, operator.prompt)


def known_tokens(operator: Operator, query: Query, counter: TokenCounter) -> int:
    """Tokens of literals and of query inputs read by slots; 0 for a tool."""
    if not isinstance(operator, LlmOperator):
        return 0
    total = counter.literal_tokens(operator)
    for name in input_slots(operator):
        if name in query.bindings:
            total += counter.tokens(value_text(query.bindings[name]))
    return total


def input_slots(operator: LlmOperator) -> tuple[str, ...]:
    """Query inputs as often as the prompt's slots read them."""
    return tuple(
        reference.root
        for template in prompt_templates(operator)
        for reference in template.references
        if reference.root in operator.query_inputs
    )
