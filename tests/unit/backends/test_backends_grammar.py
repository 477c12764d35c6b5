"""Number ranges and schema clean-up before the library's converter."""

from __future__ import annotations

import json
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from engine.backends.number_range import integer_rule, number_rule
from engine.backends.schema_check import violation
from engine.backends.schema_grammar import grammar_text
from engine.errors import BackendError


def accepts(rule: str | None, text: str) -> bool:
    """Match a rule of literals, digit classes, groups and alternatives as the regular expression it is."""
    assert rule is not None
    pattern = re.sub(r'"([^"]*)"', lambda found: re.escape(found[1]), rule).replace(" ", "")
    return re.fullmatch(pattern, text) is not None


@given(low=st.integers(-2000, 2000), size=st.integers(0, 3000), probe=st.integers(-6000, 6000))
@settings(max_examples=300, deadline=None)
def test_integer_ranges_hold_exactly(low: int, size: int, probe: int) -> None:
    rule = integer_rule(low, low + size)
    for value in (probe, low, low - 1, low + size, low + size + 1, 0):
        assert accepts(rule, str(value)) == (low <= value <= low + size)
    assert not accepts(rule, "007")


def test_open_and_empty_ranges() -> None:
    assert accepts(integer_rule(5, None), "123456")
    assert not accepts(integer_rule(5, None), "4")
    assert accepts(integer_rule(None, -5), "-77")
    assert integer_rule(3, 2) is None
    assert accepts(integer_rule(0.5, 2.5), "1")


@pytest.mark.parametrize("text", ["0", "0.25", "1", "1.0"])
def test_fractions_within_bounds(text: str) -> None:
    assert accepts(number_rule(0, 1), text)


@pytest.mark.parametrize("text", ["1.5", "2", "-0.1", "00.1"])
def test_fractions_out_of_bounds(text: str) -> None:
    assert not accepts(number_rule(0, 1), text)


def test_bounds_no_grammar_can_say_are_left_to_the_check() -> None:
    assert number_rule(-1, 1) is None
    assert number_rule(0, 0.5) is None
    schema = json.dumps({"type": "number", "maximum": 0.5})
    assert grammar_text(schema)
    fault = violation(schema, "0.75")
    assert fault is not None
    assert "0.75" in fault


def test_strings_hold_no_control_characters_or_surrogate_escapes() -> None:
    text = grammar_text('{"type": "string"}')
    assert "\\x00-\\x1F" in text
    assert '"u"' not in text


def test_an_open_value_may_be_anything() -> None:
    assert "value" in grammar_text('{"type": "object", "properties": {"x": {}}, "required": ["x", "y"]}')
    assert grammar_text("{}")
    assert grammar_text("true")


def test_long_limits_are_checked_afterwards() -> None:
    schema = json.dumps({"type": "string", "maxLength": 100_000})
    assert "100000" not in grammar_text(schema)
    assert violation(schema, json.dumps("x" * 100_001)) is not None
    assert violation(schema, json.dumps("x" * 100_000)) is None


def test_what_is_not_json_is_a_violation() -> None:
    assert "not JSON" in (violation("{}", '{"a": ') or "")


@pytest.mark.parametrize("schema", ["[", "false", '{"type": 3}', '{"$ref": "http://example.org/s"}'])
def test_unusable_schemas_are_named(schema: str) -> None:
    with pytest.raises(BackendError, match="schema cannot be compiled"):
        grammar_text(schema)
