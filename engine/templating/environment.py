"""The Jinja2 environment of prompts: sandboxed, strict, and without methods, macros or includes.

A dot means a field of the data and nothing else, so `{{ extract.items }}` reads the field `items`, and
no template can reach a Python attribute. What runs long is counted: see `STEP_LIMIT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from engine.templating import views
from engine.templating.failures import TemplateFailed
from engine.templating.filters import FILTERS, MAX_TEXT, TESTS

STEP_LIMIT: Final = 200_000
"""Iterations of all `for` loops of one rendering together."""
RANGE_LIMIT: Final = 10_000
STEPS: Final = "halo:steps"
"""Context key of the step counter; no template can name it."""
COUNTED: Final = "halo:counted"
"""Name of the filter put around every loop's iterable; no template can name it."""


class Environment(ImmutableSandboxedEnvironment):
    """Attribute access on data only; arithmetic that could blow up is refused."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        found = views.field(obj, attribute)
        return self.undefined(obj=obj, name=attribute) if found is views.MISSING else found

    def getitem(self, obj: Any, argument: Any) -> Any:
        found = views.item(obj, argument)
        return self.undefined(obj=obj, name=argument) if found is views.MISSING else found

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers:
            raise TemplateFailed(f"{operator} works on numbers only; join texts with ~")
        if operator == "**" and (abs(left) > 1e9 or abs(right) > 64):
            raise TemplateFailed("** with operands this large is refused")
        return super().call_binop(context, operator, left, right)


class _Undefined(jinja2.StrictUndefined):
    """Complains in the words of the data: which fields there are."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"{self._undefined_name!r} has no value"
        names = ", ".join(views.field_names(self._undefined_obj))
        return f"there is no {self._undefined_name!r}" + (f"; there is: {names}" if names else "")


def finalize(value: Any) -> Any:
    """What `{{ … }}` prints; an undefined value is passed on and complains when printed."""
    return value if isinstance(value, jinja2.Undefined) else views.printed(value)


def bounded_range(*bounds: int) -> range:
    """`range` of at most RANGE_LIMIT numbers."""
    result = range(*bounds)
    if len(result) > RANGE_LIMIT:
        raise TemplateFailed(f"range of {len(result)} numbers; the limit is {RANGE_LIMIT}")
    return result


@jinja2.pass_context
def _counted(context: jinja2.runtime.Context, iterable: Any) -> Iterable[Any]:
    """Counts steps, and gives loops over views, objects and text what they iterate over."""
    if isinstance(iterable, views.Answer):
        iterable = iterable.raw["body"]
    if isinstance(iterable, jinja2.Undefined):
        str(iterable)
    if iterable is None or isinstance(iterable, bool | int | float):
        raise TemplateFailed(f"cannot loop over {views.printed(iterable) or 'null'}: it is not a list")
    return _Counted(iterable, context.parent[STEPS])


class _Counted:
    def __init__(self, iterable: Iterable[Any], steps: list[int]) -> None:
        self._items = iterable if hasattr(iterable, "__len__") else list(iterable)
        self._steps = steps

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        for entry in self._items:
            self._steps[0] += 1
            if self._steps[0] > STEP_LIMIT:
                raise TemplateFailed(f"the template's loops ran over {STEP_LIMIT} steps")
            yield entry


def count_loops(tree: nodes.Template) -> nodes.Template:
    """Put the step counter around the iterable of every `for`, in place."""
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = nodes.Filter(loop.iter, COUNTED, [], [], None, None, lineno=loop.lineno)
    tree.set_environment(ENVIRONMENT)
    return tree


def _build() -> Environment:
    environment = Environment(
        undefined=_Undefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        finalize=finalize,
        cache_size=0,
    )
    environment.globals.clear()
    environment.globals["range"] = bounded_range
    environment.filters.clear()
    environment.filters.update(FILTERS)
    environment.filters[COUNTED] = _counted
    environment.tests.clear()
    environment.tests.update(TESTS)
    return environment


ENVIRONMENT: Final = _build()
GLOBALS: Final = frozenset(ENVIRONMENT.globals)
"""Names templates may call that are neither inputs nor operators."""

__all__ = ["ENVIRONMENT", "GLOBALS", "MAX_TEXT", "STEPS", "STEP_LIMIT", "count_loops"]
