"""Texts to values: plain, JSON under a schema, and violations."""

from __future__ import annotations

import json

from engine.ir.ids import RequestId
from engine.ir.request import Generated
from engine.ir.result import Failure, Usage
from engine.processor.values import value_of

SCHEMA = json.dumps(
    {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}, "required": ["n"]}
)


def generated(text: str, finish: str = "stop") -> Generated:
    return Generated(id=RequestId(1), text=text, finish=finish, usage=Usage())


def test_without_a_schema_the_text_is_the_value():
    assert value_of(generated("plain"), None) == "plain"


def test_with_a_schema_the_value_is_parsed():
    assert value_of(generated('{"n": 3}'), SCHEMA) == {"n": 3}


def test_a_cut_off_text_says_so():
    failure = value_of(generated('{"n": ', "length"), SCHEMA)
    assert isinstance(failure, Failure)
    assert failure.code == "schema_violation"
    assert "max_tokens" in failure.message


def test_a_value_outside_the_schema_names_the_place():
    failure = value_of(generated('{"n": 9}'), SCHEMA)
    assert isinstance(failure, Failure)
    assert "$.n" in failure.message


def test_valid_json_that_no_later_stage_could_carry_is_a_violation():
    for text, why in (
        ("9" * 30, "64 bits"),
        ("[" * 70 + "]" * 70, "deeper"),
        ("[" * 5000 + "]" * 5000, "JSON"),
    ):
        failure = value_of(generated(text), "{}")
        assert isinstance(failure, Failure), text
        assert why in failure.message
