"""What is remembered between runs: measured models, tool latencies, output lengths. The file's own format.

These are not `Record`s: a file written by another release may hold fields this one does not know, and
lack some that it does.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from engine.ir.ids import ModelName
from engine.ir.logical import LlmOperator, Operator, ToolOperator
from engine.ir.request import ModelOptions

ModelKey = tuple[str, str, str]
"""(device, model file digest, digest of the options that change its speed)."""


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One calibrated model on one kind of device. The corrections scale the curves; runs move them."""

    device: str
    digest: str
    options: str
    prefill: tuple[tuple[float, float], ...]
    decode: tuple[tuple[float, float], ...]
    load_s: float
    unload_s: float = 0.0
    model_bytes: int = 0
    kv_bytes_per_token: int = 0
    restore_s_per_token: float = 0.0
    prefill_correction: float = 1.0
    decode_correction: float = 1.0

    @property
    def key(self) -> ModelKey:
        """What the record is found by."""
        return (self.device, self.digest, self.options)


class Average(msgspec.Struct, frozen=True, kw_only=True):
    """A moving average and how many values went into it."""

    mean: float
    count: int = 1


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """Everything remembered: `tools` (seconds a call), `outputs` (decoded tokens), `prompts` (tokens) and
    `domains` (how many different calls there are; see `engine.profiles.domains`) by operator signature.
    """

    models: tuple[ModelRecord, ...] = ()
    tools: dict[str, Average] = msgspec.field(default_factory=dict)
    outputs: dict[str, Average] = msgspec.field(default_factory=dict)
    prompts: dict[str, Average] = msgspec.field(default_factory=dict)
    domains: dict[str, float] = msgspec.field(default_factory=dict)

    def model(self, key: ModelKey) -> ModelRecord | None:
        """The record of exactly this device, file and options."""
        return next((record for record in self.models if record.key == key), None)

    def with_model(self, record: ModelRecord) -> Measurements:
        """With `record` in the place of an older one of the same key."""
        others = tuple(other for other in self.models if other.key != record.key)
        return msgspec.structs.replace(self, models=(*others, record))


def options_digest(options: ModelOptions) -> str:
    """Digest of load options; `extra` counts, since backends read speed settings from it."""
    return _digest(msgspec.to_builtins(options))


def operator_signature(operator: Operator) -> str:
    """Names equal work: the same for an operator of the same content under any id or workflow."""
    match operator:
        case LlmOperator():
            parts = (operator.model, operator.system, operator.prompt, operator.schema)
            limits = (operator.max_tokens, operator.sampling, operator.stop)
            return _digest(msgspec.to_builtins(("llm", parts, limits)))
        case ToolOperator():
            return _digest(
                msgspec.to_builtins(("tool", operator.tool, operator.arguments, operator.templates))
            )


def _digest(value: object) -> str:
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=12).hexdigest()


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A configured model as known before it is loaded."""

    name: ModelName
    digest: str
    options: ModelOptions = ModelOptions()
    model_bytes: int = 0
    kv_bytes_per_token: int = 0
