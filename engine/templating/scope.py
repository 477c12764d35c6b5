"""The names a template sees: the query's inputs and the values of earlier operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.ir.batch import Query
from engine.ir.ids import Json, OperatorId
from engine.ir.logical import LlmOperator, Output, ToolOperator
from engine.templating.views import MISSING, view

Scope = dict[str, Any]


class Group(dict[str, Any]):
    """The operators of one loop iteration under one name; true even when none is read."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


def build_scope(
    reader: LlmOperator | ToolOperator | Output, query: Query, values: Mapping[OperatorId, Json]
) -> Scope:
    """Bind what `reader` reads. An operator that is not in `values` (skipped) is None.

    Of a binding with several sources the first in `values` counts, also where its value is null.
    `previous` is None in a loop's first iteration. Inputs the query lacks stay unbound, and complain when
    printed. Never raises.
    """
    scope: Scope = {}
    bindings = query.bindings
    for name in reader.query_inputs:
        value = bindings.get(name, MISSING)
        if value is not MISSING:
            scope[name] = value
    if not isinstance(reader, Output) and reader.iteration is not None:
        scope["iteration"] = reader.iteration
        scope["previous"] = Group() if reader.iteration else None
    for binding in reader.bindings:
        value = _first(binding.sources, values)
        if binding.path:
            _put(scope, binding.name, binding.path, value)
        else:
            scope[binding.name] = value
    return scope


def _first(sources: tuple[OperatorId, ...], values: Mapping[OperatorId, Json]) -> Any:
    for source in sources:
        value = values.get(source, MISSING)
        if value is not MISSING:
            return view(value) if type(value) is dict else value
    return None


def _put(scope: Scope, name: str, path: tuple[str, ...], value: Any) -> None:
    group = scope.get(name)
    if not isinstance(group, dict):
        group = scope[name] = Group()
    for step in path[:-1]:
        group = group.setdefault(step, Group())
    group[path[-1]] = value
