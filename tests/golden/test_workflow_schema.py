"""The published JSON Schema is the generated one, and agrees with the parser."""

import json
from pathlib import Path

import jsonschema
import pytest

from engine.parser import workflow_schema
from engine.parser.yaml_nodes import read_yaml
from haloctl.commands.schema import schema_text
from tools import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "reference" / "workflow.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(workflow_schema(REGISTRY))


def test_published_schema_is_up_to_date():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run `make schema`"


def test_schema_is_valid_and_knows_every_kind():
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)
    kinds = {ref["$ref"] for ref in VALIDATOR.schema["$defs"]["Operator"]["oneOf"]}
    assert len(kinds) == len(REGISTRY) + 2


@pytest.mark.parametrize("path", sorted(ROOT.glob("workflows/**/*.yaml")), ids=lambda path: path.name)
def test_shipped_workflows_satisfy_it(path):
    data, _ = read_yaml(path.read_bytes(), path.name)
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"workflow": "1x"},
        {"extra": 1},
        {"operators": {}},
        {"operators": {"a": {"kind": "llm", "model": "m"}}},
        {"operators": {"a": {"kind": "llm", "model": "m", "prompt": "x", "max_tokens": 0}}},
        {"operators": {"a": {"kind": "none"}}},
        {"operators": {"a": {"kind": "loop", "max_iterations": 2, "operators": {"b": {"kind": "sql"}}}}},
        {"outputs": {"a": 1}},
    ],
)
def test_it_refuses_what_the_parser_refuses(change):
    good = {
        "workflow": "w",
        "inputs": {},
        "operators": {"a": {"kind": "llm", "model": "m", "prompt": "x"}},
        "outputs": {"a": "{{ a }}"},
    }
    assert VALIDATOR.is_valid(json.loads(json.dumps(good)))
    assert not VALIDATOR.is_valid(good | change)
