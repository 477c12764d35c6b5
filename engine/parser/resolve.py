"""Names: every reference must mean something that can be there, and no operator may wait for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from engine.contracts import ToolKind
from engine.ir.spec import LlmSpec, LoopSpec
from engine.ir.template import Reference
from engine.parser.draft import OperatorDraft, TemplateField, WorkflowDraft, reads
from engine.parser.faults import Faults, suggest
from engine.parser.scopes import RESERVED, OwnLoop, Scope, Target, unproduced
from engine.parser.source_map import Path
from engine.templating import reference_lines

MAX_OPERATORS: Final = 4096
"""Operators of one workflow after unrolling its loops."""


def unrolled_count(operators: tuple[OperatorDraft, ...]) -> int:
    """Operators these become when loops are unrolled."""
    return sum(
        operator.spec.max_iterations * unrolled_count(operator.children)
        if isinstance(operator.spec, LoopSpec)
        else 1
        for operator in operators
    )


def resolve(draft: WorkflowDraft, kinds: Mapping[str, ToolKind], faults: Faults) -> None:
    """Report every fault of names, references, order and models in `draft`."""
    names: dict[str, Target] = dict(draft.inputs)
    for name in draft.inputs:
        _check_reserved(name, ("inputs", name), faults)
    for operator in draft.operators:
        if operator.name in draft.inputs:
            _report_clash(operator, "an input", faults)
        names[operator.name] = operator
    scope = Scope(names)
    resolver = _Resolver(draft, kinds, faults)
    resolver.check_level(draft.operators, scope)
    if unrolled_count(draft.operators) > MAX_OPERATORS:
        faults.at_key(
            ("operators",),
            "too_many",
            f"loops unroll to {unrolled_count(draft.operators)} operators; the limit is {MAX_OPERATORS}",
            "lower max_iterations, or put fewer operators into loops",
        )
    for output in draft.outputs:
        if not output.field.template.references:
            faults.at_value(
                output.field.path,
                "constant_output",
                "the output reads neither an operator nor an input",
                "write {{ operator }} or {{ operator.field }}; take constants out of the workflow",
            )
        resolver.check_field(output.field, scope)


def find_unused(draft: WorkflowDraft, kinds: Mapping[str, ToolKind]) -> Iterator[OperatorDraft]:
    """Top-level operators no output needs, directly or through others, and that write nothing."""
    by_name = {operator.name: operator for operator in draft.operators}
    wanted = [r.root for output in draft.outputs for r in output.field.template.references]
    wanted += [operator.name for operator in draft.operators if _writes(operator, kinds)]
    used: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in used or name not in by_name:
            continue
        used.add(name)
        wanted += [reference.root for _, reference in reads(by_name[name])]
    return (operator for operator in draft.operators if operator.name not in used)


def _writes(operator: OperatorDraft, kinds: Mapping[str, ToolKind]) -> bool:
    if operator.spec is not None and not isinstance(operator.spec, LlmSpec | LoopSpec):
        return kinds[operator.raw["kind"]].effects(operator.spec) == "write"
    return any(_writes(child, kinds) for child in operator.children)


def _check_reserved(name: str, path: Path, faults: Faults) -> None:
    if name in RESERVED:
        faults.at_key(path, "reserved_name", f"{name!r} has a meaning in templates", "choose another name")


def _report_clash(operator: OperatorDraft, other: str, faults: Faults) -> None:
    faults.at_key(
        operator.path,
        "name_clash",
        f"{operator.name!r} already names {other}",
        "rename one of the two; templates could not tell them apart",
    )


class _Resolver:
    """Walks the levels of a workflow (itself, and each loop) with the names visible there."""

    def __init__(self, draft: WorkflowDraft, kinds: Mapping[str, ToolKind], faults: Faults) -> None:
        self._draft = draft
        self._kinds = kinds
        self._faults = faults

    def check_level(self, operators: tuple[OperatorDraft, ...], scope: Scope) -> None:
        """Check operators that stand side by side, then what is inside those that are loops."""
        for operator in operators:
            _check_reserved(operator.name, operator.path, self._faults)
            self._check_model(operator)
            for field in operator.own_fields():
                self.check_field(field, scope)
        self._check_cycles(operators)
        for operator in operators:
            if operator.is_loop:
                self._check_loop(operator, scope)

    def _check_loop(self, loop: OperatorDraft, scope: Scope) -> None:
        for child in loop.children:
            if child.name in scope.names:
                _report_clash(child, "something outside the loop", self._faults)
        inside = scope.inside(loop)
        if loop.until is not None:
            self.check_field(loop.until, inside)
        self.check_level(loop.children, inside)

    def _check_model(self, operator: OperatorDraft) -> None:
        if not isinstance(operator.spec, LlmSpec) or not self._draft.models:
            return
        if operator.spec.model not in self._draft.models:
            self._faults.at_value(
                (*operator.path, "model"),
                "unknown_model",
                f"{operator.spec.model!r} is not among the workflow's models",
                suggest(operator.spec.model, self._draft.models, what="models"),
            )

    def check_field(self, field: TemplateField, scope: Scope) -> None:
        """Check every reference of one template."""
        for reference in field.template.references:
            if reference.root not in scope.names:
                if reference.optional:
                    continue
                self._unknown(field, reference, scope)
                continue
            target = scope.names[reference.root]
            if isinstance(target, OwnLoop):
                self._own_loop(field, reference, target)
                continue
            missing = unproduced(target, reference.path, self._kinds, prefix=(reference.root,))
            if missing is not None:
                subject = ".".join(missing.prefix)
                self._report(
                    field,
                    reference,
                    "unproduced_field",
                    f"{subject} ({missing.what}) has no field {missing.step!r}",
                    suggest(missing.step, missing.known, what="fields")
                    if missing.known
                    else f"use {{{{ {subject} }}}} itself, or let its operator produce the field",
                )

    def _unknown(self, field: TemplateField, reference: Reference, scope: Scope) -> None:
        name = reference.root
        if name in ("previous", "iteration"):
            fix = "use it in operators inside a loop only"
        else:
            holders = [op.name for op in self._draft.operators if op.child(name) is not None]
            visible = [known for known in scope.names if known not in ("previous", "iteration")]
            fix = (
                f"it is inside a loop: write {holders[0]}.{name}"
                if holders
                else suggest(name, visible, what="inputs and operators")
            )
        self._report(field, reference, "unknown_name", f"nothing here is called {name!r}", fix)

    def _own_loop(self, field: TemplateField, reference: Reference, target: OwnLoop) -> None:
        inner = ".".join(reference.path) or "<operator>"
        self._report(
            field,
            reference,
            "cycle",
            f"{target.name!r} is the loop this stands in; it has no result yet",
            f"write {inner} for this iteration, or previous.{inner} for the last one",
        )

    def _report(self, field: TemplateField, reference: Reference, code: str, message: str, fix: str) -> None:
        line = reference_lines(field.template).get((reference.root, reference.path), 1)
        self._faults.at_value(field.path, code, message, fix, line=line)

    def _check_cycles(self, operators: tuple[OperatorDraft, ...]) -> None:
        """Report each cycle once, with its whole path, where its first operator reads the next."""
        edges = _edges(operators)
        done: set[str] = set()
        for start in edges:
            trail: list[str] = []
            stack: list[Iterator[str]] = [iter((start,))]
            while stack:
                name = next(stack[-1], None)
                if name is None:
                    stack.pop()
                    if trail:
                        done.add(trail.pop())
                elif name in trail:
                    self._report_cycle(trail[trail.index(name) :], edges)
                elif name not in done:
                    trail.append(name)
                    stack.append(iter(edges[name]))

    def _report_cycle(self, names: list[str], edges: Mapping[str, Mapping[str, _Edge]]) -> None:
        first, second = names[0], names[1 % len(names)]
        field, reference = edges[first][second]
        shown = " → ".join([*names, first])
        message = (
            f"{first} reads itself" if len(names) == 1 else f"these operators wait for each other: {shown}"
        )
        self._report(
            field, reference, "cycle", message, "break the circle: one of them must not read the next"
        )


_Edge = tuple[TemplateField, Reference]


def _edges(operators: tuple[OperatorDraft, ...]) -> dict[str, dict[str, _Edge]]:
    """operator → sibling it reads → where; a loop reads what anything inside it reads."""
    edges: dict[str, dict[str, _Edge]] = {operator.name: {} for operator in operators}
    for operator in operators:
        inner = {child.name for child in operator.children} | {operator.name}
        for field, reference in reads(operator):
            hidden = operator.is_loop and reference.root in inner
            if reference.root in edges and not hidden:
                edges[operator.name].setdefault(reference.root, (field, reference))
    return edges
