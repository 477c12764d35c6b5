"""The reference of the workflow format is true: its examples validate, and it leaves no field out."""

import re
from pathlib import Path

import msgspec
import pytest

from engine.ir.spec import InputSpec, LlmSpec, LoopSpec, SamplingSpec, WorkflowSpec
from engine.parser import load_workflow, lower
from engine.parser.schemas import UNSUPPORTED
from engine.parser.scopes import RESERVED
from engine.templating.environment import RANGE_LIMIT, STEP_LIMIT
from engine.templating.filters import FILTERS, MAX_TEXT
from engine.templating.views import TABLE_FIELDS
from tools import REGISTRY

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "workflow-format.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


def whole(example):
    """An example as a file: what it leaves out is filled in."""
    if "workflow:" not in example:
        example = "workflow: example\n" + example
    if "outputs:" not in example:
        example += 'outputs: {answer: "{{ answer }}"}\n'
    return example


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_validates(example):
    source = load_workflow(whole(example).encode(), REGISTRY, name="workflow-format.md")
    plan = lower(source, REGISTRY, {"haloctl-mini"}, known={"database": {"tpch"}})
    assert plan.operators
    unread = [warning.at.field for warning in source.warnings]
    assert unread == []


def test_there_is_an_example_of_every_kind():
    assert {kind for example in EXAMPLES for kind in re.findall(r"kind: (\w+)", example)} == {
        "llm", "loop", *REGISTRY,
    }  # fmt: skip


@pytest.mark.parametrize(
    "spec",
    [WorkflowSpec, InputSpec, LlmSpec, LoopSpec, SamplingSpec, *(kind.spec for kind in REGISTRY.values())],
    ids=lambda spec: spec.__name__,
)
def test_every_field_is_described(spec):
    names = {field.encode_name for field in msgspec.structs.fields(spec)}
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


def test_limits_filters_and_words_are_those_of_the_code():
    listed = set(re.findall(r"`(\w+)`", TEXT.split("- Filters:")[1].split("The only function")[0]))
    assert listed == set(FILTERS)
    for limit in (RANGE_LIMIT, STEP_LIMIT, MAX_TEXT):
        assert f"{limit:,}" in TEXT
    assert all(f"`{word}`" in TEXT for word in RESERVED if word.lower() == word)
    assert all(f"top.{name}`" in TEXT for name in TABLE_FIELDS)
    named = re.findall(r"`(\w+)`", TEXT.split("are refused: check such")[0].rsplit("can enforce.", 1)[1])
    assert set(named) <= UNSUPPORTED
