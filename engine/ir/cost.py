"""Measured curves of models, devices and tools, and what a plan is estimated to cost.

Seconds everywhere. Curves are piecewise linear through measured points (`engine.optimizer.cost_model`
reads them; `engine.profiles` measures and stores them).
"""

from __future__ import annotations

from math import expm1, log1p

from msgspec import field

from engine.ir.ids import ModelName, OperatorId, Record, WorkerId


class Curve(Record, frozen=True, kw_only=True):
    """Piecewise-linear function through `points` (x ascending), extrapolated by the last slope."""

    points: tuple[tuple[float, float], ...]


class ModelProfile(Record, frozen=True, kw_only=True):
    """One model on one kind of worker.

    prefill: prompt tokens in one batch → seconds. decode: sequences in a batch → seconds per decode step.
    `measured` is False for the built-in guess used before calibration.
    """

    model: ModelName
    device: str
    prefill: Curve
    decode: Curve
    load_s: float
    unload_s: float = 0.0
    model_bytes: int = 0
    kv_bytes_per_token: int = 0
    restore_s_per_token: float = 0.0
    measured: bool = False


class WorkerProfile(Record, frozen=True, kw_only=True):
    """One worker: what it can hold and how it performs on each model it may run."""

    worker: WorkerId
    backend: str
    device: str
    slots: int
    memory_bytes: int
    models: tuple[ModelProfile, ...]


class ToolProfile(Record, frozen=True, kw_only=True):
    """Latency of one tool operator: mean seconds a call, and calls that may run at once."""

    operator: OperatorId
    mean_s: float
    concurrency: int
    source: str = "default"
    """explain, history, or default."""


class OutputProfile(Record, frozen=True, kw_only=True):
    """Expected decoded tokens of an LLM operator, and expected rendered size of a tool's result."""

    operator: OperatorId
    mean_tokens: float
    source: str = "default"


class Profiles(Record, frozen=True, kw_only=True):
    """All the planner knows about the world."""

    workers: tuple[WorkerProfile, ...]
    tools: tuple[ToolProfile, ...] = ()
    outputs: tuple[OutputProfile, ...] = ()
    domains: dict[OperatorId, float] = field(default_factory=dict)
    """How many different calls an operator's nodes are drawn from, where runs found equal ones among them."""

    prompts: dict[OperatorId, float] = field(default_factory=dict)
    """Mean tokens of an LLM operator's prompts, where runs had any."""

    resident: dict[WorkerId, tuple[ModelName, ...]] = field(default_factory=dict)
    """Models already loaded when the plan starts."""


def expected_distinct(domain: float, drawn: int) -> float:
    """Different values among `drawn` even draws from `domain` ones."""
    if domain <= 1:
        return float(min(drawn, 1))
    return -domain * expm1(drawn * log1p(-1 / domain))


def fair_share(waiting: int, mine_s: float, theirs_s: float) -> int:
    """How many of `waiting` calls to take over, so that both end at once: half where nothing else is known.

    `mine_s` and `theirs_s` are seconds a call; 0 means unknown.
    """
    share = theirs_s / (mine_s + theirs_s) if mine_s > 0 and theirs_s > 0 else 0.5
    return int(waiting * share + 0.5)


class CostEstimate(Record, frozen=True, kw_only=True):
    """What an epoch or a plan is expected to take."""

    makespan_s: float = 0.0
    tool_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    prefill_tokens: int = 0
    reused_tokens: int = 0
    decode_tokens: int = 0
    model_loads: int = 0
