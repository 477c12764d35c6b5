"""A workflow file half understood: decoded where it could be, templates compiled, nothing resolved.

What failed to decode stays here as a name without a spec, so that one broken operator does not make
every reference to it a fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.ir.ids import Json
from engine.ir.spec import InputSpec, LlmSpec, LoopSpec, OperatorSpec, WorkflowSpec
from engine.ir.template import Mode, Reference, Template
from engine.parser.source_map import Path


@dataclass(frozen=True)
class TemplateField:
    """One templated text: where it stands, how it renders, and what it compiled to."""

    path: Path
    mode: Mode
    template: Template


@dataclass(frozen=True)
class OperatorDraft:
    """An operator as far as it is understood; `spec` is None when it did not decode."""

    name: str
    path: Path
    spec: OperatorSpec | None
    raw: Json
    fields: tuple[TemplateField, ...] = ()
    when: TemplateField | None = None
    until: TemplateField | None = None
    children: tuple[OperatorDraft, ...] = ()

    @property
    def is_loop(self) -> bool:
        return isinstance(self.spec, LoopSpec) or bool(self.children)

    @property
    def schema(self) -> dict[str, Json] | None:
        return self.spec.schema if isinstance(self.spec, LlmSpec) else None

    def own_fields(self) -> tuple[TemplateField, ...]:
        """Its templates, conditions included; a loop's `until` and members are not among them."""
        return (*self.fields, *(() if self.when is None else (self.when,)))

    def child(self, name: str) -> OperatorDraft | None:
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True)
class OutputDraft:
    """One output column."""

    name: str
    field: TemplateField


@dataclass(frozen=True)
class WorkflowDraft:
    """The whole file. `spec` is None when its top level did not decode."""

    name: str
    spec: WorkflowSpec | None
    inputs: dict[str, InputSpec | None]
    models: dict[str, str]
    operators: tuple[OperatorDraft, ...]
    outputs: tuple[OutputDraft, ...] = ()


def reads(draft: OperatorDraft) -> Iterator[tuple[TemplateField, Reference]]:
    """Every reference of an operator and, for a loop, of all it holds."""
    for template_field in (*draft.own_fields(), *(() if draft.until is None else (draft.until,))):
        for reference in template_field.template.references:
            yield template_field, reference
    for child in draft.children:
        yield from reads(child)
