"""The Jinja2 environment of prompts: sandboxed, strict, and without methods, macros or includes.

A dot means a field of the data and nothing else, so `{{ extract.items }}` reads the field `items`, and
no template can reach a Python attribute. What runs long is counted and timed: see `Budget`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from engine.templating import views
from engine.templating.failures import TemplateFailed
from engine.templating.filters import FILTERS, MAX_TEXT, TESTS, as_text

STEP_LIMIT: Final = 200_000
"""Iterations of all `for` loops of one rendering together."""
TIME_LIMIT_S: Final = 5.0
"""Seconds one rendering may loop; far from any honest prompt, near enough for whoever waits."""
LIST_LIMIT: Final = 1_000_000
"""Items `+` may put into one list."""
RANGE_LIMIT: Final = 10_000
BUDGET: Final = "halo:budget"
"""Context key of a rendering's `Budget`; no template can name it."""
COUNTED: Final = "halo:counted"
"""Name of the filter put around every loop's iterable; no template can name it."""


class Budget:
    """What the loops of one rendering may still spend."""

    __slots__ = ("_deadline", "_steps")

    def __init__(self) -> None:
        self._steps = 0
        self._deadline = monotonic() + TIME_LIMIT_S

    def spend_step(self) -> None:
        """Count one iteration. Raises TemplateFailed when steps or time are used up."""
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise TemplateFailed(f"the template's loops ran over {STEP_LIMIT} steps")
        if monotonic() > self._deadline:
            raise TemplateFailed(f"the template's loops ran over {TIME_LIMIT_S:g} s")


class _Generator(CodeGenerator):
    """Sends `~` through the environment, as the sandbox does with operators."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - as Jinja2 calls it
        self.write("environment.concatenate((")
        for operand in node.nodes:
            self.visit(operand, frame)
            self.write(", ")
        self.write("))")


class Environment(ImmutableSandboxedEnvironment):
    """Attribute access on data only; operators that could blow up are bounded or refused."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "**", "%"})

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
        if not numbers and operator == "+":
            return _added(left, right)
        if not numbers:
            raise TemplateFailed(f"{operator} works on numbers only; join texts with ~")
        if operator == "**" and (abs(left) > 1e9 or abs(right) > 64):
            raise TemplateFailed("** with operands this large is refused")
        return super().call_binop(context, operator, left, right)

    def concatenate(self, operands: tuple[Any, ...]) -> str:
        """`a ~ b`: the operands as they would be printed, at most MAX_TEXT characters."""
        texts = [as_text(operand) for operand in operands]
        _require_room(sum(map(len, texts)))
        return "".join(texts)


def _added(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        _require_room(len(left) + len(right))
    elif isinstance(left, list) and isinstance(right, list) and len(left) + len(right) > LIST_LIMIT:
        raise TemplateFailed(f"a list of over {LIST_LIMIT} items is refused")
    return left + right


def _require_room(characters: int) -> None:
    if characters > MAX_TEXT:
        raise TemplateFailed(f"joining would produce {characters} characters; the limit is {MAX_TEXT}")


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
    """Spends the budget, and gives loops over views, objects and text what they iterate over."""
    if isinstance(iterable, views.Answer):
        iterable = iterable.raw["body"]
    if isinstance(iterable, jinja2.Undefined):
        str(iterable)
    if iterable is None or isinstance(iterable, bool | int | float):
        raise TemplateFailed(f"cannot loop over {views.printed(iterable) or 'null'}: it is not a list")
    return _Counted(iterable, context.parent[BUDGET])


class _Counted:
    def __init__(self, iterable: Iterable[Any], budget: Budget) -> None:
        self._items = iterable if hasattr(iterable, "__len__") else list(iterable)
        self._budget = budget

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        for entry in self._items:
            self._budget.spend_step()
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

__all__ = ["BUDGET", "ENVIRONMENT", "GLOBALS", "MAX_TEXT", "STEP_LIMIT", "Budget", "count_loops"]
