"""A workflow as written: the YAML's shape, before names are resolved.

`OperatorSpec` holds what any operator may say; `LlmSpec` and `LoopSpec` belong to the engine, and each
tool kind brings its own subclass (`tools.sql.SqlSpec`, …), so that adding a tool touches no file here.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from engine.ir.ids import Json, Record

Effects: TypeAlias = Literal["none", "read", "write"]
InputType: TypeAlias = Literal["string", "integer", "number", "boolean", "json"]
OnSkip: TypeAlias = Literal["skip", "run"]

Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
Positive: TypeAlias = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""A count; what databases, sockets and model runtimes take as one is 31 bits wide."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=604_800)]
"""At most a week: time-outs of databases and sockets overflow soon after."""


class InputSpec(Record, frozen=True, kw_only=True):
    """One input column of the workflow."""

    type: InputType = "string"
    required: bool = True
    default: Json = None
    description: str = ""


class SamplingSpec(Record, frozen=True, kw_only=True):
    """Sampling as written; the defaults are greedy."""

    temperature: Annotated[float, Meta(ge=0, le=5)] = 0.0
    top_k: Annotated[int, Meta(ge=0)] = 0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.0
    repeat_penalty: Annotated[float, Meta(gt=0)] = 1.0
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None


class OperatorSpec(Record, tag_field="kind", frozen=True, kw_only=True):
    """What any operator may say about itself. Subclasses set `tag` to their kind."""

    description: str = ""
    when: str | None = None
    """A Jinja2 expression, with or without braces; false means skipped."""
    on_skip: OnSkip = "skip"
    """What to do when an operator this one reads was skipped: skip too, or run with none there."""
    timeout_s: Seconds | None = None
    retries: Annotated[int, Meta(ge=0, le=10)] | None = None
    effects: Effects | None = None
    deterministic: bool | None = None


class LlmSpec(OperatorSpec, tag="llm", frozen=True, kw_only=True):
    """One call of a language model."""

    model: str
    prompt: str
    system: str | None = None
    schema: dict[str, Json] | None = None
    sampling: SamplingSpec = SamplingSpec()
    max_tokens: Positive = 256
    stop: tuple[str, ...] = ()


class LoopSpec(OperatorSpec, tag="loop", frozen=True, kw_only=True):
    """A group of operators repeated until `until` holds, at most `max_iterations` times."""

    max_iterations: Annotated[int, Meta(ge=1, le=64)]
    until: str | None = None
    operators: dict[Name, Json]
    """Decoded one by one by the parser, so that an error can name its operator."""


class WorkflowSpec(Record, frozen=True, kw_only=True):
    """One workflow file. `models` maps the names used here to names in the settings."""

    workflow: Name
    version: Literal[1] = 1
    description: str = ""
    inputs: dict[Name, InputSpec]
    models: dict[Name, str] = field(default_factory=dict)
    operators: dict[Name, Json]
    outputs: dict[Name, str]
