"""Plain data → `WorkflowDraft`: decode every field, compile every template, report every fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from engine.contracts import ToolKind
from engine.ir.ids import Json
from engine.ir.spec import InputSpec, LlmSpec, LoopSpec, OperatorSpec, WorkflowSpec
from engine.ir.template import Mode, Slot, Template
from engine.parser.decode import decode_struct
from engine.parser.draft import OperatorDraft, OutputDraft, TemplateField, WorkflowDraft
from engine.parser.faults import Faults, suggest
from engine.parser.operator_rules import check_input, check_llm, check_loop
from engine.parser.source_map import Path
from engine.templating import TemplateSyntax, compile_expression, compile_template

LLM_FIELDS: Mapping[str, Mode] = {"prompt": "text", "system": "text"}
_KIND = frozenset({"kind"})


def draft_workflow(data: Json, kinds: Mapping[str, ToolKind], faults: Faults) -> WorkflowDraft:
    """Understand as much of the file as possible; faults go to `faults`, nothing is raised."""
    spec = decode_struct(data, WorkflowSpec, (), faults)
    if not isinstance(data, dict):
        data = {}
    operators = _named(data, "operators")
    outputs = _named(data, "outputs")
    for section, entries in (("operators", operators), ("outputs", outputs)):
        if section in data and isinstance(data[section], dict) and not entries:
            faults.at_key(
                (section,), "empty", f"there are no {section}", f"add at least one under {section}:"
            )
    return WorkflowDraft(
        name=spec.workflow if spec else str(data.get("workflow", "")),
        spec=spec,
        inputs={
            name: _input(value, ("inputs", name), faults) for name, value in _named(data, "inputs").items()
        },
        models={name: str(value) for name, value in _named(data, "models").items()},
        operators=tuple(
            draft_operator(name, value, ("operators", name), kinds, faults)
            for name, value in operators.items()
        ),
        outputs=tuple(_outputs(outputs, faults)),
    )


def _named(data: dict[str, Json], section: str) -> dict[str, Json]:
    value = data.get(section)
    return value if isinstance(value, dict) else {}


def _input(value: Json, path: Path, faults: Faults) -> InputSpec | None:
    quiet = Faults(faults.places)  # the top level has reported what is wrong here
    spec = decode_struct(value, InputSpec, path, quiet)
    if spec is not None:
        check_input(spec, value, path, faults)
    return spec


def _outputs(outputs: dict[str, Json], faults: Faults) -> Iterator[OutputDraft]:
    for name, source in outputs.items():
        if isinstance(source, str):
            field = compile_field(source, ("outputs", name), "native", faults)
            if field is not None:
                yield OutputDraft(name, field)


def draft_operator(
    name: str, raw: Json, path: Path, kinds: Mapping[str, ToolKind], faults: Faults
) -> OperatorDraft:
    """One operator, and for a loop the operators it repeats."""
    spec_type = _spec_type(raw, path, kinds, faults)
    if spec_type is None:
        return OperatorDraft(name=name, path=path, spec=None, raw=raw)
    spec = decode_struct(raw, spec_type, path, faults, skip=_KIND)
    children: tuple[OperatorDraft, ...] = ()
    until = None
    modes: Mapping[str, Mode]
    if spec_type is LlmSpec:
        modes = LLM_FIELDS
        check_llm(spec, raw, path, faults)
    elif spec_type is LoopSpec:
        modes = {}
        check_loop(raw, path, faults)
        until = _condition(raw, "until", path, faults)
        children = tuple(
            draft_operator(child, value, (*path, "operators", child), kinds, faults)
            for child, value in _named(raw, "operators").items()
        )
    else:
        kind = kinds[raw["kind"]]
        modes = kind.fields
        _check_tool(kind, spec, path, faults)
    return OperatorDraft(
        name=name,
        path=path,
        spec=spec,
        raw=raw,
        fields=tuple(_template_fields(raw, modes, path, faults)),
        when=_condition(raw, "when", path, faults),
        until=until,
        children=children,
    )


def _spec_type(
    raw: Json, path: Path, kinds: Mapping[str, ToolKind], faults: Faults
) -> type[OperatorSpec] | None:
    known: dict[str, type[OperatorSpec]] = {"llm": LlmSpec, "loop": LoopSpec}
    known.update((name, kind.spec) for name, kind in kinds.items())
    if not isinstance(raw, dict) or "kind" not in raw:
        faults.at_key(
            path,
            "missing_field",
            "the field 'kind' is missing",
            f"add `kind:` with one of {', '.join(known)}",
        )
        return None
    kind = raw["kind"]
    if not isinstance(kind, str) or kind not in known:
        faults.at_value(
            (*path, "kind"), "unknown_kind", f"there is no kind of operator {kind!r}",
            suggest(str(kind), known, what="kinds"),
        )  # fmt: skip
        return None
    return known[kind]


def _check_tool(kind: ToolKind, spec: OperatorSpec | None, path: Path, faults: Faults) -> None:
    if spec is None:
        return
    for field, message, fix in kind.check(spec):
        steps = tuple(field.split(".")) if field else ()
        faults.at_value((*path, *steps), "bad_value", message, fix)


def _condition(raw: dict[str, Json], name: str, path: Path, faults: Faults) -> TemplateField | None:
    source = raw.get(name)
    if not isinstance(source, str):
        return None
    try:
        return TemplateField((*path, name), "native", compile_expression(source))
    except TemplateSyntax as error:
        faults.at_value((*path, name), "template_syntax", error.message, error.fix or "", line=error.line)
        return None


def compile_field(source: str, path: Path, mode: Mode, faults: Faults) -> TemplateField | None:
    """Compile one templated text; None after reporting why not."""
    if mode == "path":
        if "{{" in source or "{%" in source:
            faults.at_value(
                path, "template_syntax", "this field is fixed and takes no {{ … }}", "write a constant"
            )
        return None
    try:
        template = compile_template(source)
    except TemplateSyntax as error:
        faults.at_value(path, "template_syntax", error.message, error.fix or "", line=error.line)
        return None
    if mode == "bound":
        _check_bound(template, path, faults)
    return TemplateField(path, mode, template)


def _check_bound(template: Template, path: Path, faults: Faults) -> None:
    """A block would put text where only values may go; what else can be wrong, the tool's kind checks."""
    line = 1
    for segment in template.segments:
        if isinstance(segment, Slot) and segment.block:
            faults.at_value(
                path,
                "spliced_text",
                "{% … %} would put text into this field; here values are bound as parameters",
                "use {{ … }} only; leave choices to the statement, or to two operators with `when`",
                line=line,
            )
        line += (segment.expression if isinstance(segment, Slot) else segment.text).count("\n")


def _template_fields(
    raw: dict[str, Json], modes: Mapping[str, Mode], path: Path, faults: Faults
) -> Iterator[TemplateField]:
    for name, mode in modes.items():
        _check_keys(raw.get(name), (*path, name), faults)
        for at, text in text_leaves(raw.get(name), (*path, name)):
            field = compile_field(text, at, mode, faults)
            if field is not None:
                yield field


def _check_keys(value: Json, path: Path, faults: Faults) -> None:
    """`$template` marks a slot in a lowered argument; as data it would be taken for one."""
    if isinstance(value, dict):
        if "$template" in value:
            faults.at_key(
                (*path, "$template"), "reserved_name", "'$template' cannot be a key", "rename the key"
            )
        for key, inner in value.items():
            _check_keys(inner, (*path, key), faults)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_keys(inner, (*path, index), faults)


def text_leaves(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text inside `value` with its path; structs count as the mappings they were written as."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from text_leaves(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from text_leaves(item, (*path, index))
