"""Words for a template that failed on its data: which name, what it has instead, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import jinja2

from engine.ir.template import Reference, Template
from engine.templating import views
from engine.templating.syntax import compile_template

_SHOWN_NAMES = 12


def explain_failure(template: Template, scope: Mapping[str, Any], error: Exception) -> tuple[str, str | None]:
    """Message and fix for `error`, raised while rendering `template` in `scope`."""
    if isinstance(error, jinja2.UndefinedError):
        references = template.references or compile_template(template.source).references
        for reference in references:
            fault = _missing(reference, scope)
            if fault is not None:
                return fault
    return f"the template cannot be rendered: {error}", None


def _missing(reference: Reference, scope: Mapping[str, Any]) -> tuple[str, str | None] | None:
    if reference.root not in scope:
        return (
            f"this row has no value for {reference.root!r}",
            f"give the input a default, or write {{{{ {reference.root} | default('') }}}}",
        )
    value: Any = scope[reference.root]
    name = reference.root
    for step in reference.path:
        found = views.field(value, step)
        if found is views.MISSING:
            return _no_field(name, value, step)
        value = found
        name = f"{name}.{step}"
    return None


def _no_field(name: str, value: Any, step: str) -> tuple[str, str | None]:
    if value is None:
        return (
            f"{name} has no value here (it was skipped, or is null), so it has no field {step!r}",
            f"ask first: {{% if {name} %}} … {{% endif %}}",
        )
    names = views.field_names(value)
    if not names:
        return f"{name} is {_kind(value)} and has no field {step!r}", f"use {{{{ {name} }}}} itself"
    close = difflib.get_close_matches(step, names, n=1)
    shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    fix = f"did you mean {name}.{close[0]}?" if close else None
    return f"{name} has no field {step!r}; it has: {shown}", fix


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "an empty object" if isinstance(value, dict) else "a list"
