"""What operators are expected to do before they were seen: output sizes and tool latencies, with sources."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from engine.ir.cost import Profiles, ToolProfile
from engine.ir.ids import OperatorId
from engine.ir.logical import LlmOperator, Operator, ToolOperator

DEFAULT_TOOL_TOKENS = 64.0
"""A tool result nobody measured: a small table or a short body."""

DEFAULT_TOOL_FIELDS = 2
DEFAULT_TOOL_S = 0.05
DEFAULT_TOOL_CONCURRENCY = 4


@dataclass(frozen=True)
class ExpectedOutput:
    """Tokens of one result, how many named fields share them, and where the number comes from.

    `source` is a profile's, or "max_tokens" (the operator's limit), or "default".
    """

    tokens: float
    fields: int
    source: str


def expected_outputs(operators: Iterable[Operator], profiles: Profiles) -> dict[OperatorId, ExpectedOutput]:
    """One expectation for each operator; a profile's mean never exceeds an LLM's max_tokens."""
    profiled = {profile.operator: profile for profile in profiles.outputs}
    expected: dict[OperatorId, ExpectedOutput] = {}
    for operator in operators:
        profile = profiled.get(operator.id)
        match operator:
            case LlmOperator():
                tokens, source = float(operator.max_tokens), "max_tokens"
                if profile is not None:
                    tokens, source = min(tokens, profile.mean_tokens), profile.source
                fields = schema_fields(operator.schema)
            case ToolOperator():
                tokens, source = DEFAULT_TOOL_TOKENS, "default"
                if profile is not None:
                    tokens, source = profile.mean_tokens, profile.source
                fields = DEFAULT_TOOL_FIELDS
        expected[operator.id] = ExpectedOutput(tokens=max(1.0, tokens), fields=fields, source=source)
    return expected


def schema_fields(schema: str | None) -> int:
    """Properties of a JSON schema's object; 1 for any other schema or none."""
    if schema is None:
        return 1
    decoded = json.loads(schema)
    properties = decoded.get("properties") if isinstance(decoded, dict) else None
    return max(1, len(properties)) if isinstance(properties, dict) else 1


def tool_profile(operator: OperatorId, profiles: Profiles) -> ToolProfile:
    """The operator's profile, or a guess marked "default"."""
    for profile in profiles.tools:
        if profile.operator == operator:
            return profile
    return ToolProfile(operator=operator, mean_s=DEFAULT_TOOL_S, concurrency=DEFAULT_TOOL_CONCURRENCY)
