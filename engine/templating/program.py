"""Compiled templates: one small program per source, kept for as long as it is in use.

A slot that only follows a chain of names, which is nearly every slot, is read without Jinja2; rendering
a prompt then costs a few microseconds. Other slots and blocks run as Jinja2 bytecode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import jinja2
from jinja2 import nodes

from engine.ir.template import Slot, Template
from engine.templating import views
from engine.templating.environment import BUDGET, ENVIRONMENT, Budget, count_loops
from engine.templating.failures import TemplateFailed
from engine.templating.filters import MAX_TEXT
from engine.templating.syntax import compile_template

Evaluate: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""Value of a slot, or text of a block. Raises jinja2.UndefinedError, TemplateFailed or a data error."""

_CACHED_PROGRAMS = 4096


class Program:
    """Pieces in order: fixed text, or what evaluates to a value. `slots` are the latter alone."""

    __slots__ = ("blocks", "lone", "pieces", "slots")

    def __init__(self, template: Template) -> None:
        segments = template.segments or compile_template(template.source).segments
        self.pieces: tuple[str | Evaluate, ...] = tuple(
            _evaluator(segment) if isinstance(segment, Slot) else segment.text for segment in segments
        )
        self.blocks = any(isinstance(segment, Slot) and segment.block for segment in segments)
        self.slots = tuple(piece for piece in self.pieces if not isinstance(piece, str))
        self.lone = self.slots[0] if len(self.pieces) == len(self.slots) == 1 and not self.blocks else None


@lru_cache(maxsize=_CACHED_PROGRAMS)
def _program(source: str) -> Program:
    return Program(compile_template(source))


def program(template: Template) -> Program:
    """The compiled form of `template`; compiled once per distinct source."""
    return _program(template.source)


def _evaluator(slot: Slot) -> Evaluate:
    if slot.block:
        return _block(slot.expression)
    tree = ENVIRONMENT.parse("{{" + slot.expression + "\n}}")
    output = tree.body[0]
    assert isinstance(output, nodes.Output)
    chain = _chain(output.nodes[0])
    return _expression(slot.expression) if chain is None else _follow(*chain)


def _chain(node: nodes.Node) -> tuple[str, tuple[str | int, ...]] | None:
    """Root and steps of `a.b["c"][0]`, or None when the expression is anything more."""
    steps: list[str | int] = []
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Getattr(attr=name):
                steps.append(name)
            case nodes.Getitem(arg=nodes.Const(value=str() | int() as key)):
                steps.append(key)
            case _:
                return None
        node = node.node
    return node.name, tuple(reversed(steps))


def _follow(root: str, steps: tuple[str | int, ...]) -> Evaluate:
    if not steps:
        return lambda scope: _root(scope, root)

    def follow(scope: Mapping[str, Any]) -> Any:
        value = _root(scope, root)
        for step in steps:
            value = views.item(value, step)
            if value is views.MISSING:
                raise jinja2.UndefinedError(f"nothing at {step!r}")
        return value

    return follow


def _root(scope: Mapping[str, Any], name: str) -> Any:
    try:
        return scope[name]
    except KeyError:
        raise jinja2.UndefinedError(f"{name!r} is undefined") from None


def _expression(source: str) -> Evaluate:
    compiled = ENVIRONMENT.compile_expression(source, undefined_to_none=False)

    def evaluate(scope: Mapping[str, Any]) -> Any:
        value = compiled(scope)
        if isinstance(value, jinja2.Undefined):
            str(value)  # complains in Jinja2's words; `render` finds better ones
        return value

    return evaluate


def _block(source: str) -> Evaluate:
    # One line end at the end of a template is dropped; the whole template has lost its own already.
    code = ENVIRONMENT.compile(count_loops(ENVIRONMENT.parse(source + "\n")))
    compiled = jinja2.Template.from_code(ENVIRONMENT, code, dict(ENVIRONMENT.globals))

    def evaluate(scope: Mapping[str, Any]) -> str:
        context = compiled.new_context({**scope, BUDGET: Budget()})
        texts: list[str] = []
        room = MAX_TEXT
        for text in compiled.root_render_func(context):
            texts.append(text)
            room -= len(text)
            if room < 0:
                raise TemplateFailed(f"the rendered text is over {MAX_TEXT} characters")
        return "".join(texts)

    return evaluate
