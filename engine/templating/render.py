"""Rendering: text, native values, bound parameters, conditions; prompts and tool arguments from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import jinja2

from engine.ir.ids import Json
from engine.ir.logical import LlmOperator, ToolOperator
from engine.ir.request import Message
from engine.ir.template import Template
from engine.templating import views
from engine.templating.explanation import explain_failure
from engine.templating.failures import TemplateFailed
from engine.templating.filters import MAX_TEXT
from engine.templating.program import Evaluate, program

_DATA_ERRORS = (
    jinja2.TemplateRuntimeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)
"""What filters and operators raise on data that does not fit them."""


def render_text(template: Template, scope: Mapping[str, Any]) -> str:
    """The template as text of at most MAX_TEXT characters. Raises TemplateFailed."""
    compiled = program(template)
    try:
        texts = [
            piece if isinstance(piece, str) else views.printed(piece(scope)) for piece in compiled.pieces
        ]
    except _DATA_ERRORS as error:
        _fail(template, scope, error)
    text = "".join(texts)
    if len(text) > MAX_TEXT:
        raise TemplateFailed(f"the rendered text has {len(text)} characters; the limit is {MAX_TEXT}")
    return text


def render_native(template: Template, scope: Mapping[str, Any]) -> Json:
    """The JSON value of a template that is one lone slot; of any other, its text. Raises TemplateFailed."""
    lone = program(template).lone
    if lone is None:
        return render_text(template, scope)
    return _value(lone, template, scope)


def truth(template: Template, scope: Mapping[str, Any]) -> bool:
    """Whether a condition holds; empty tables, lists and texts are false. Raises TemplateFailed."""
    lone = program(template).lone
    if lone is None:
        return bool(render_text(template, scope).strip())
    return _truth(lone, template, scope)


def render_bound(template: Template, scope: Mapping[str, Any]) -> dict[str, Json]:
    """`{"text", "params"}`: slot number i (from 1) is `$i` in the text, its value in `params`.

    Raises TemplateFailed, also for a template with blocks: their text would be spliced, not bound.
    """
    compiled = program(template)
    if compiled.blocks:
        raise TemplateFailed("a statement with bound parameters cannot hold blocks", fix="use {{ … }} only")
    texts: list[str] = []
    values: list[Json] = []
    for piece in compiled.pieces:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            values.append(_value(piece, template, scope))
            texts.append(f"${len(values)}")
    return {"text": "".join(texts), "params": values}


def render_prompt(operator: LlmOperator, scope: Mapping[str, Any]) -> tuple[Message, ...]:
    """The chat messages of a model call: the system prompt if there is one, then the user's."""
    user = Message(role="user", content=render_text(operator.prompt, scope))
    if operator.system is None:
        return (user,)
    return (Message(role="system", content=render_text(operator.system, scope)), user)


def render_arguments(operator: ToolOperator, scope: Mapping[str, Any]) -> dict[str, Json]:
    """A tool's arguments with every templated leaf replaced by its value. Raises TemplateFailed."""
    return {name: _fill(value, operator, scope) for name, value in operator.arguments.items()}


def _fill(value: Json, operator: ToolOperator, scope: Mapping[str, Any]) -> Json:
    if isinstance(value, dict):
        if "$template" in value:
            return _argument(operator, value["$template"], scope)
        return {key: _fill(item, operator, scope) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(item, operator, scope) for item in value]
    return value


def _argument(operator: ToolOperator, index: int, scope: Mapping[str, Any]) -> Json:
    argument = operator.templates[index]
    match argument.mode:
        case "native":
            return render_native(argument.template, scope)
        case "bound":
            return render_bound(argument.template, scope)
        case "text" | "path":
            return render_text(argument.template, scope)


def _value(slot: Evaluate, template: Template, scope: Mapping[str, Any]) -> Json:
    try:
        return views.unwrap(slot(scope))
    except _DATA_ERRORS as error:
        _fail(template, scope, error)


def _truth(slot: Evaluate, template: Template, scope: Mapping[str, Any]) -> bool:
    try:
        return bool(slot(scope))
    except _DATA_ERRORS as error:
        _fail(template, scope, error)


def _fail(template: Template, scope: Mapping[str, Any], error: Exception) -> NoReturn:
    message, fix = explain_failure(template, scope, error)
    raise TemplateFailed(message, fix=fix) from None
