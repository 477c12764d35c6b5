"""The JSON Schema of workflow files, generated from the same structs that decode them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.contracts import ToolKind
from engine.ir.ids import Json
from engine.ir.spec import LlmSpec, LoopSpec, OperatorSpec, WorkflowSpec

_REF = "#/$defs/{name}"
_TITLE = "haloctl workflow"


def workflow_schema(kinds: Mapping[str, ToolKind]) -> dict[str, Json]:
    """JSON Schema (2020-12) of the format with these tool kinds, for editors and other checkers."""
    specs: tuple[type[OperatorSpec], ...] = (LlmSpec, LoopSpec, *(kind.spec for kind in kinds.values()))
    _, definitions = msgspec.json.schema_components((WorkflowSpec, *specs), ref_template=_REF)
    operators = [{"$ref": _REF.format(name=spec.__name__)} for spec in specs]
    definitions["Operator"] = {
        "type": "object",
        "required": ["kind"],
        "oneOf": operators,
        "description": "One operator; `kind` says which fields it takes.",
    }
    named_operators = {"$ref": _REF.format(name="Operator")}
    workflow = definitions.pop("WorkflowSpec")
    workflow["properties"]["operators"]["additionalProperties"] = named_operators
    workflow["properties"]["operators"]["minProperties"] = 1
    workflow["properties"]["outputs"]["minProperties"] = 1
    definitions["LoopSpec"]["properties"]["operators"]["additionalProperties"] = named_operators
    for kind in kinds.values():
        _allow_templates(definitions[kind.spec.__name__], kind)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **workflow,
        "title": _TITLE,
        "$defs": dict(sorted(definitions.items())),
    }


def _allow_templates(definition: dict[str, Any], kind: ToolKind) -> None:
    for name, mode in kind.fields.items():
        note = {
            "text": "Template.",
            "native": "Template; a lone {{ slot }} keeps its JSON value.",
            "bound": "Template whose slots are bound as parameters.",
            "path": "Relative to the workflow file.",
        }[mode]
        definition["properties"][name].setdefault("description", note)
