"""The `kind: python` block of a workflow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, cast

from msgspec import Meta, field

from engine.contracts import Tool, ToolKind
from engine.ir.ids import Json
from engine.ir.spec import Effects, OperatorSpec

_FUNCTION = re.compile(r"^(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*$")
_DEFAULT_MEMORY_BYTES = 1024**3


class PythonSpec(OperatorSpec, tag="python", frozen=True, kw_only=True):
    """One call of a function by keyword arguments; it returns JSON data.

    `function` is `file.py:name` (relative to the workflow file) or `package.module:name`.
    `memory_bytes` bounds the address space of the process the call runs in.
    """

    function: str
    arguments: dict[str, Json] = field(default_factory=dict)
    memory_bytes: Annotated[int, Meta(ge=64 * 1024**2)] = _DEFAULT_MEMORY_BYTES


def _effects(spec: OperatorSpec) -> Effects:
    return spec.effects or "none"


def _deterministic(spec: OperatorSpec) -> bool:
    """Only when declared: a function may read the clock or the weather."""
    return bool(spec.deterministic)


def _check(spec: OperatorSpec) -> tuple[tuple[str, str, str], ...]:
    spec = cast(PythonSpec, spec)
    if _FUNCTION.match(spec.function):
        return ()
    return (("function", "not a function", "write file.py:name or package.module:name"),)


def _open(settings: Mapping[str, Json]) -> Tool:
    from tools.python.tool import open_python

    return open_python(settings)


KIND = ToolKind(
    name="python",
    spec=PythonSpec,
    fields={"function": "path", "arguments": "native"},
    effects=_effects,
    deterministic=_deterministic,
    open=_open,
    check=_check,
    concurrency=4,
    default_timeout_s=60.0,
    settings={"processes": "most Python processes at once (4)"},
)
