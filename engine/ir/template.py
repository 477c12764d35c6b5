"""A template as a value: literal text and slots, and the references the slots read.

The text is Jinja2; `engine.templating` compiles source to this value and renders it. Segments are what
prefix analysis and SQL parameter binding look at; `references` are the edges of the workflow.
"""

from __future__ import annotations

from typing import Literal as OneOf
from typing import TypeAlias

from engine.ir.ids import Record

Mode: TypeAlias = OneOf["text", "native", "bound", "path"]
"""How a template field is rendered.

text: to a string. native: one lone slot keeps its JSON value, else text. bound: to
`{"text": …, "params": […]}` where slot i became a placeholder (SQL). path: a constant path, resolved
against the workflow file's folder while lowering.
"""


class Reference(Record, frozen=True, kw_only=True):
    """`root.path…` as read by a slot: root is an input, an operator, `previous` or `iteration`."""

    root: str
    path: tuple[str, ...] = ()
    test: bool = False
    """Only asked whether it is there or true (`{% if previous %}`); nothing of it is printed."""
    optional: bool = False
    """Perhaps a name that a `set` in one branch of an `if` gave: read only if something else has it."""


class Literal(Record, tag="literal", frozen=True, kw_only=True):
    """Fixed text."""

    text: str


class Slot(Record, tag="slot", frozen=True, kw_only=True):
    """One `{{ expression }}`, or a whole `{% … %}` block (`block=True`), with what it reads."""

    expression: str
    references: tuple[Reference, ...] = ()
    block: bool = False


class Template(Record, frozen=True, kw_only=True):
    """Compiled shape of one template; rendering needs only `source`."""

    source: str
    segments: tuple[Literal | Slot, ...] = ()
    references: tuple[Reference, ...] = ()

    @property
    def static_prefix(self) -> str:
        """The literal text before the first slot."""
        if self.segments and isinstance(self.segments[0], Literal):
            return self.segments[0].text
        return ""
