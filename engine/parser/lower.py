"""`WorkflowSource` → `LogicalPlan`: loops unrolled, templates in place, policies complete."""

from __future__ import annotations

import heapq
import os.path
import re
from collections.abc import Container, Iterator, Mapping
from typing import Final

import msgspec

from engine.contracts import ToolKind
from engine.ir.ids import Json, ModelName, OperatorId
from engine.ir.logical import (
    ArgumentTemplate,
    Condition,
    LlmOperator,
    LogicalPlan,
    Operator,
    Output,
    Policy,
    Sampling,
    ToolOperator,
    depends_on,
)
from engine.ir.spec import LlmSpec, OperatorSpec
from engine.ir.template import Literal, Template
from engine.parser.draft import OperatorDraft, TemplateField
from engine.parser.entries import Bound, Entry, Input
from engine.parser.faults import Faults, suggest
from engine.parser.load import WorkflowSource
from engine.parser.loops import Level, unroll
from engine.parser.schemas import canonical_schema
from engine.parser.source_map import Path

DEFAULT_RETRIES: Final = 2
_COMMON_FIELDS = frozenset(field.name for field in msgspec.structs.fields(OperatorSpec))
_DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


def lower(
    source: WorkflowSource,
    kinds: Mapping[str, ToolKind],
    models: Container[str] | None = None,
    *,
    known: Mapping[str, Container[str]] | None = None,
) -> LogicalPlan:
    """The plan of a workflow. `models` are the settings' models; `known` maps a tool's field, such as
    `database`, to the names it may hold. None checks nothing.

    Raises SpecErrors naming every model, database, … that is not there.
    """
    faults = Faults(source.places)
    _check_settings(source, models, known or {}, faults)
    faults.raise_all()
    return _Lowering(source, kinds).plan()


def _check_settings(
    source: WorkflowSource,
    models: Container[str] | None,
    known: Mapping[str, Container[str]],
    faults: Faults,
) -> None:
    for operator in _all_operators(source.draft.operators):
        spec = operator.spec
        if isinstance(spec, LlmSpec):
            named = spec.model in source.spec.models
            path: Path = ("models", spec.model) if named else (*operator.path, "model")
            _check_known(source.spec.models.get(spec.model, spec.model), models, "model", path, faults)
            continue
        for field, names in known.items():
            value = getattr(spec, field, None)
            if isinstance(value, str):
                _check_known(value, names, field, (*operator.path, field), faults)


def _check_known(name: str, names: Container[str] | None, what: str, path: Path, faults: Faults) -> None:
    if names is None or name in names:
        return
    listed = [str(known) for known in names] if hasattr(names, "__iter__") else []
    faults.at_value(
        path,
        f"unknown_{what}",
        f"the settings know no {what} {name!r}",
        suggest(name, listed, what=f"{what}s") + f" (or add it to haloctl.toml under [{what}s])",
    )


def _all_operators(operators: tuple[OperatorDraft, ...]) -> Iterator[OperatorDraft]:
    for operator in operators:
        yield operator
        yield from _all_operators(operator.children)


class _Lowering:
    """Collects operators level by level."""

    def __init__(self, source: WorkflowSource, kinds: Mapping[str, ToolKind]) -> None:
        self._source = source
        self._kinds = kinds
        self._operators: list[Operator] = []

    def plan(self) -> LogicalPlan:
        spec = self._source.spec
        inputs: dict[str, Entry] = dict.fromkeys(spec.inputs, Input())
        top = Level(inputs, f"{spec.workflow}/").with_operators(self._source.draft.operators)
        self._lower_level(self._source.draft.operators, top)
        return LogicalPlan(
            workflow=spec.workflow,
            inputs=spec.inputs,
            operators=_ordered(self._operators),
            outputs=tuple(
                _output(output.name, output.field.template, top) for output in self._source.draft.outputs
            ),
        )

    def _lower_level(self, operators: tuple[OperatorDraft, ...], level: Level) -> None:
        for operator in operators:
            if operator.is_loop:
                for iteration in unroll(operator, level):
                    inner = iteration.with_operators(operator.children)
                    self._lower_level(operator.children, inner)
            else:
                self._operators.append(self._lower_operator(operator, level))

    def _lower_operator(self, draft: OperatorDraft, level: Level) -> Operator:
        spec = draft.spec
        assert spec is not None
        bound = Bound()
        for field in draft.own_fields():
            bound.read(field.template.references, level.names)
        conditions: list[Condition] = []
        for guards in level.guards:
            for guard in guards.needed(on_skip_run=spec.on_skip == "run"):
                conditions.append(guard.condition)
                bound.merge(guard.bound)
        if draft.when is not None:
            conditions.append(Condition(template=draft.when.template))
        operator_id = OperatorId(level.prefix + draft.name)
        if isinstance(spec, LlmSpec):
            return self._llm(operator_id, draft, spec, tuple(conditions), bound, level.iteration)
        return self._tool(operator_id, draft, spec, tuple(conditions), bound, level.iteration)

    def _llm(
        self,
        operator_id: OperatorId,
        draft: OperatorDraft,
        spec: LlmSpec,
        conditions: tuple[Condition, ...],
        bound: Bound,
        iteration: int | None,
    ) -> LlmOperator:
        templates = {field.path[-1]: field.template for field in draft.fields}
        sampling = Sampling(**msgspec.structs.asdict(spec.sampling))
        greedy = sampling.temperature == 0
        deterministic = greedy if spec.deterministic is None else spec.deterministic
        return LlmOperator(
            id=operator_id,
            model=ModelName(self._source.spec.models.get(spec.model, spec.model)),
            prompt=templates["prompt"],
            system=templates.get("system"),
            schema=None if spec.schema is None else canonical_schema(spec.schema),
            sampling=sampling,
            max_tokens=spec.max_tokens,
            stop=spec.stop,
            bindings=tuple(bound.bindings.values()),
            query_inputs=tuple(bound.inputs),
            policy=Policy(
                when=conditions,
                on_skip=spec.on_skip,
                timeout_s=spec.timeout_s,
                retries=DEFAULT_RETRIES if spec.retries is None else spec.retries,
                deterministic=deterministic,
                lasting=deterministic,
            ),
            iteration=iteration,
        )

    def _tool(
        self,
        operator_id: OperatorId,
        draft: OperatorDraft,
        spec: OperatorSpec,
        conditions: tuple[Condition, ...],
        bound: Bound,
        iteration: int | None,
    ) -> ToolOperator:
        kind = self._kinds[draft.raw["kind"]]
        effects = spec.effects or kind.effects(spec)
        deterministic = kind.deterministic(spec) if spec.deterministic is None else spec.deterministic
        arguments = _Arguments(draft, kind, str(self._source.folder))
        return ToolOperator(
            id=operator_id,
            tool=kind.name,
            arguments={**arguments.fill(spec), "effects": effects},
            templates=tuple(arguments.templates),
            bindings=tuple(bound.bindings.values()),
            query_inputs=tuple(bound.inputs),
            policy=Policy(
                when=conditions,
                on_skip=spec.on_skip,
                timeout_s=kind.default_timeout_s if spec.timeout_s is None else spec.timeout_s,
                retries=_tool_retries(spec, writes=effects == "write"),
                effects=effects,
                deterministic=deterministic and effects != "write",
                lasting=spec.deterministic is True and effects != "write",
            ),
            iteration=iteration,
        )


def _tool_retries(spec: OperatorSpec, *, writes: bool) -> int:
    """A write is repeated only where the user says so: it may have happened."""
    if spec.retries is not None:
        return spec.retries
    return 0 if writes else DEFAULT_RETRIES


def _output(name: str, template: Template, level: Level) -> Output:
    bound = Bound()
    bound.read(template.references, level.names)
    return Output(
        name=name,
        template=template,
        bindings=tuple(bound.bindings.values()),
        query_inputs=tuple(bound.inputs),
    )


class _Arguments:
    """A tool's own fields as JSON, with templates taken out of it."""

    def __init__(self, draft: OperatorDraft, kind: ToolKind, folder: str) -> None:
        self.templates: list[ArgumentTemplate] = []
        self._fields = {field.path: field for field in draft.fields}
        self._path = draft.path
        self._kind = kind
        self._folder = folder

    def fill(self, spec: OperatorSpec) -> dict[str, Json]:
        plain = msgspec.to_builtins(spec)
        names = [field.name for field in msgspec.structs.fields(spec) if field.name not in _COMMON_FIELDS]
        return {
            name: absolute_path(plain[name], self._folder)
            if self._kind.fields.get(name) == "path"
            else self._leaf(plain[name], (*self._path, name))
            for name in names
        }

    def _leaf(self, value: Json, path: Path) -> Json:
        if isinstance(value, str):
            field = self._fields.get(path)
            return value if field is None else self._slot(field)
        if isinstance(value, dict):
            return {key: self._leaf(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._leaf(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _slot(self, field: TemplateField) -> Json:
        segments = field.template.segments
        if field.mode != "bound" and all(isinstance(segment, Literal) for segment in segments):
            return "".join(segment.text for segment in segments if isinstance(segment, Literal))
        self.templates.append(ArgumentTemplate(template=field.template, mode=field.mode))
        return {"$template": len(self.templates) - 1}


def absolute_path(value: Json, folder: str) -> Json:
    """What a field of mode `path` means in a workflow of `folder`; `package.module:name` is no path."""
    if not isinstance(value, str) or (_DOTTED.match(value) and ".py:" not in value):
        return value
    return os.path.normpath(os.path.join(folder, value))


def _ordered(operators: list[Operator]) -> tuple[Operator, ...]:
    """Topological, and otherwise as written."""
    position = {operator.id: at for at, operator in enumerate(operators)}
    waiting = [len(depends_on(operator)) for operator in operators]
    readers: list[list[int]] = [[] for _ in operators]
    for at, operator in enumerate(operators):
        for source in depends_on(operator):
            readers[position[source]].append(at)
    ready = [at for at, count in enumerate(waiting) if count == 0]
    ordered: list[Operator] = []
    while ready:
        at = heapq.heappop(ready)
        ordered.append(operators[at])
        for reader in readers[at]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, reader)
    assert len(ordered) == len(operators), "resolve() lets no cycle through"
    return tuple(ordered)
