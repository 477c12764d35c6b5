# ruff: noqa: E402, E501  (without llguidance nothing below can be imported; tables of texts)
"""Which texts the grammar of a schema allows, asked of a matcher over single bytes."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

llguidance = pytest.importorskip("llguidance", reason="llguidance is not installed")

from llguidance.gbnf_to_lark import gbnf_to_lark

from engine.backends.schema_grammar import grammar_text
from engine.backends.schema_instance import instance
from engine.backends.schema_pattern import pattern_expression
from engine.errors import BackendError

BYTES = llguidance.LLTokenizer("byte")


def matcher(grammar: str) -> Any:
    made = llguidance.LLMatcher(
        BYTES, llguidance.LLMatcher.grammar_from_lark(gbnf_to_lark(grammar)), log_level=0
    )
    assert not made.is_error(), made.get_error()
    return made


def allows(made: Any, text: str) -> bool:
    state = made.deep_copy()
    codes = list(text.encode())
    return bool(state.try_consume_tokens(codes) == len(codes) and state.is_accepting())


def of(schema: Any) -> Any:
    return matcher(grammar_text(json.dumps(schema)))


OPTIONAL = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {"type": "boolean"}},
    "required": ["b"],
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "v": {"type": "integer"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["v", "kids"],
        }
    },
}
OPEN = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "null"}}
CASES = [
    (OPTIONAL, ['{"b": null}', '{"b":null,"a":1}', '{"b": null, "a": 1, "c": true}', '{"b": null, "c": true}'],
     ["{}", '{"a": 1, "b": null}', '{"b": null,}', '{"b": null, "c": true, "a": 1}']),
    ({**OPTIONAL, "required": []}, ["{}", '{"a": 1}', '{"c": true}', '{"a": 1, "c": true}'], ["{,}", '{"a": 1,}']),
    (OPEN, ["{}", '{"a": 1}', '{"a": 1, "x": null, "y": null}', '{"x": null}'], ['{"a": 1 "x": null}', '{"x": 1}']),
    (TREE, ['{"v": 1, "kids": [{"v": 2, "kids": []}]}'], ['{"v": 1, "kids": [1]}']),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}, ["[1, 2]", "[1,2,3]"],
     ["[1]", "[1, 2, 3, 4]", "[]"]),
    ({"type": "array", "items": {"type": "null"}, "maxItems": 0}, ["[]"], ["[null]"]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}]}, ["[1, null]"], ["[1]", "[null, 1]"]),
    ({"type": "string", "maxLength": 400}, ['""', json.dumps("x" * 400)], [json.dumps("x" * 401), '"\\u0041"']),
    ({"type": "string", "format": "date-time"}, ['"2024-12-01T23:59:59.123Z"'], ['"2024-13-01T00:00:00Z"']),
    ({"type": "string", "format": "uuid"}, ['"00000000-0000-4000-8000-00000000000a"'], ['"0"']),
    ({"enum": ["é", 'a"b\\c', None, 1.5]}, [json.dumps("é"), json.dumps('a"b\\c'), "null", "1.5"], ["2", '"a"']),
    ({"allOf": [{"$ref": "#/$defs/x"}, {"properties": {"y": {"type": "null"}}}],
      "$defs": {"x": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}}},
     ['{"x": 1, "y": null}', '{"x": 1}'], ['{"y": null}']),
    ({"type": "string", "pattern": "^[A-Z]{2}-\\d+$"}, ['"AB-12"'], ['"A-12"', '"AB-"', '"AB-1x"']),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "good", "bad"), CASES)
def test_a_grammar_allows_just_what_its_schema_says(schema: Any, good: list[str], bad: list[str]) -> None:
    made = of(schema)
    for text in good:
        assert allows(made, text), text
    for text in bad:
        assert not allows(made, text), text


@pytest.mark.parametrize("schema", [case[0] for case in CASES if "pattern" not in case[0]])
def test_what_satisfies_a_schema_is_allowed(schema: Any) -> None:
    made = of(schema)
    for seed in range(20):
        value = instance(schema, seed)
        if isinstance(value, dict):  # required properties come first
            required = schema.get("required", [])
            value = dict(sorted(value.items(), key=lambda pair: pair[0] not in required))
        for separators in ((", ", ": "), (",", ":")):
            text = json.dumps(value, separators=separators)
            assert allows(made, text), text


def test_objects_within_objects_do_not_make_long_grammars() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _depth in range(6):
        schema = {"type": "object", "properties": dict.fromkeys("abcdef", schema)}
    assert len(grammar_text(json.dumps(schema))) < 20_000


PATTERNS = [
    "^abc$", "^a|b$", "^(ab)+c?$", "^[a-c]*$", "^[^a-c]{2,3}$", "^(?:x|yz){2}$", "^\\d\\w\\s$", "^\\D\\W$",
    '^[a"\\\\]+$', '^"\\\\$', "^[ -~]{1,4}$", "^.$", "^a*?b$", "^[-x]$", "^[\\]^]$", "^a{3}$", "^a{0,2}$", "^$",
    "^\\.\\/\\$$", "^(a(b|)c)+$",
]  # fmt: skip
ALPHABET = 'abcxyz019_ "\\-^].$/é'


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_allows_the_strings_it_matches(pattern: str) -> None:
    """Told by Python's own expressions; a negated class leaves out quotes and backslashes."""
    made = matcher(f"root ::= {pattern_expression(pattern)}")
    dice = random.Random(pattern)
    letters = sorted(set(pattern) & set(ALPHABET)) * 2 + list(ALPHABET)
    negated = "^a" in pattern[2:] or "\\D" in pattern or "\\W" in pattern
    for _ in range(300):
        text = "".join(dice.choices(letters, k=dice.randrange(5)))
        matches = re.fullmatch(f"(?:{pattern[1:-1]})", text, re.ASCII) is not None
        matches = matches and not (negated and set(text) & set('"\\'))
        assert allows(made, json.dumps(text, ensure_ascii=False)[1:-1]) == matches, text


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        "^a",
        "^(?=a)b$",
        "^a\\b$",
        "^(a$",
        "^a)$",
        "^[a$",
        "^*$",
        "^\\1$",
        "^[z-a]$",
        "^a{x}$",
        "^[\x01]$",
    ],
)
def test_patterns_that_are_not_understood_are_refused_with_their_place(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        pattern_expression(pattern)
    with pytest.raises(BackendError, match="schema cannot be compiled"):
        grammar_text(json.dumps({"type": "string", "pattern": pattern}))
