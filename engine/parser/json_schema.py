"""The JSON Schema of workflow files, generated from the same structs that decode them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.contracts import ToolKind
from engine.ir.ids import Json
from engine.ir.spec import LlmSpec, LoopSpec, OperatorSpec, WorkflowSpec
from engine.ir.template import Mode

_REF = "#/$defs/{name}"
_META_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"

_WORDS: Final[dict[str, dict[str, str]]] = {
    "WorkflowSpec": {
        "workflow": "Name of the workflow; operator ids begin with it.",
        "inputs": "Columns of the input table, by name.",
        "models": "Names used in this file → names of models in the settings.",
        "operators": "Operators by name. What one reads in its templates is what it waits for.",
        "outputs": "Columns of the result, by name; a lone {{ slot }} keeps its JSON value.",
    },
    "InputSpec": {
        "required": "Whether every row must have a value, unless there is a default.",
        "default": "Value of rows without one.",
    },
    "LlmSpec": {
        "model": "A name under `models`, or a model of the settings.",
        "prompt": "Template of the user's message.",
        "system": "Template of the system message; put what many prompts share here.",
        "max_tokens": "Most tokens of the answer.",
        "stop": "Texts that end the answer.",
    },
    "LoopSpec": {
        "until": "Condition asked after each iteration; true ends the loop.",
        "operators": "Operators of one iteration; `previous` and `iteration` are names here.",
    },
}
_COMMON_WORDS: Final[dict[str, str]] = {
    "description": "For people.",
    "when": "Condition; false means skipped.",
    "on_skip": "When something it reads was skipped: skip too, or run with null there.",
    "timeout_s": "Seconds one attempt may take.",
    "retries": "Further attempts after a failure that may pass; default 2, and 0 for writes.",
    "effects": "What it does to the world; a write is never shared, nor repeated unless told to.",
    "deterministic": "Equal inputs give equal results: calls may be one. true lets --cache keep a tool's.",
}
_MODE_WORDS: Final[dict[Mode, str]] = {
    "text": "Template.",
    "native": "Template; a lone {{ slot }} keeps its JSON value.",
    "bound": "Template whose slots are bound as parameters, never spliced.",
    "path": "Fixed; a path is relative to the workflow file.",
}


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
    definitions["LlmSpec"]["properties"]["schema"] = {
        "anyOf": [{"$ref": _META_SCHEMA}, {"type": "null"}],
        "description": "JSON Schema of the answer, enforced while decoding.",
    }
    for name, definition in (("WorkflowSpec", workflow), *definitions.items()):
        _describe(name, definition)
    for kind in kinds.values():
        _describe_templates(definitions[kind.spec.__name__], kind)
    return {
        "$schema": _META_SCHEMA,
        **workflow,
        "title": "haloctl workflow",
        "$defs": dict(sorted(definitions.items())),
    }


def _describe(name: str, definition: dict[str, Any]) -> None:
    """Words for editors. Docstrings are cleaned: how they are indented depends on the Python version."""
    if "description" in definition:
        definition["description"] = " ".join(inspect.cleandoc(definition["description"]).split())
    words = {**_COMMON_WORDS, **_WORDS.get(name, {})}
    for field, schema in definition.get("properties", {}).items():
        if field in words and "description" not in schema:
            schema["description"] = words[field]


def _describe_templates(definition: dict[str, Any], kind: ToolKind) -> None:
    for name, mode in kind.fields.items():
        definition["properties"][name].setdefault("description", _MODE_WORDS[mode])
