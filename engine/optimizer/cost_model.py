"""The cost model: T = T_prep + T_model + T_infer, over measured curves.

T_infer is prefill of the tokens no warm prefix covers, plus decode with `slots` sequences at a time.
T_model is the loads (and unloads) that LRU residency under the worker's memory asks for. T_prep, the
tools, runs on the CPU beside inference: it delays, it is never added (see `engine.optimizer.schedule`).
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import PlanError
from engine.ir.cost import Curve, ModelProfile, WorkerProfile
from engine.ir.ids import ModelName


def evaluate(curve: Curve, x: float) -> float:
    """Piecewise linear, never negative and never falling: a dip between points is measuring noise.

    Beyond the last point the last slope goes on; before the first the value shrinks in proportion, but not
    under half the first value, because a batch has a fixed cost.
    """
    points = curve.points
    if x <= 0 or not points:
        return 0.0
    x0, y0 = points[0]
    if x <= x0:
        return y0 * max(0.5, x / x0)
    for x1, y1 in points[1:]:
        risen = max(y0, y1)
        if x <= x1:
            return y0 + (risen - y0) * (x - x0) / (x1 - x0)
        x0, y0 = x1, risen
    return y0 + _last_slope(curve) * (x - x0)


def _last_slope(curve: Curve) -> float:
    if len(curve.points) < 2:
        x, y = curve.points[0]
        return y / x if x else 0.0
    (x0, y0), (x1, y1) = curve.points[-2:]
    return max(0.0, (y1 - y0) / (x1 - x0))


@dataclass(frozen=True)
class Work:
    """Nodes of one operator on one worker: how many, tokens to compute when cold, tokens out of each."""

    nodes: int
    distinct_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class Inference:
    """Seconds of T_infer. `last_s` is the part that cannot start before the last input is there."""

    prefill_s: float
    decode_s: float
    last_s: float

    @property
    def total_s(self) -> float:
        return self.prefill_s + self.decode_s


def inference(profile: ModelProfile, slots: int, work: Work, warm_tokens: float = 0.0) -> Inference:
    """T_infer of `work` when `warm_tokens` of its prefix tokens are already in the KV cache."""
    if work.nodes == 0:
        return Inference(0.0, 0.0, 0.0)
    waves = -(-work.nodes // slots)
    tokens = max(float(work.nodes), work.distinct_tokens - warm_tokens)
    prefill_s = waves * evaluate(profile.prefill, tokens / waves)
    full, rest = divmod(work.nodes, slots)
    decode_s = full * work.output_tokens * evaluate(profile.decode, slots)
    last_decode_s = work.output_tokens * evaluate(profile.decode, rest or slots)
    if rest:
        decode_s += last_decode_s
    return Inference(prefill_s=prefill_s, decode_s=decode_s, last_s=prefill_s / waves + last_decode_s)


def pace_s(profile: ModelProfile, slots: int) -> float:
    """Seconds of a decoded token while all slots decode."""
    return evaluate(profile.decode, slots) / max(1, slots)


Resident = tuple[ModelName, ...]
"""Models a worker holds, least recently used first."""


@dataclass(frozen=True)
class Switch:
    """What making a model resident takes: seconds, loads (0 or 1), models evicted, and who is resident."""

    seconds: float
    loads: int
    evicted: Resident
    resident: Resident


def profile_of(worker: WorkerProfile, model: ModelName) -> ModelProfile | None:
    """How `worker` performs on `model`, or None if it cannot run it."""
    return next((profile for profile in worker.models if profile.model == model), None)


def make_resident(worker: WorkerProfile, resident: Resident, model: ModelName) -> Switch:
    """LRU eviction until `model` fits. Raises PlanError if it never does."""
    if model in resident:
        return Switch(0.0, 0, (), (*(held for held in resident if held != model), model))
    profile = profile_of(worker, model)
    if profile is None or profile.model_bytes > worker.memory_bytes:
        raise PlanError(f"model {model} does not run on worker {worker.worker}")
    held, evicted, seconds = list(resident), list[ModelName](), profile.load_s
    free = worker.memory_bytes - sum(_bytes(worker, name) for name in held)
    while free < profile.model_bytes:
        oldest = held.pop(0)
        evicted.append(oldest)
        free += _bytes(worker, oldest)
        gone = profile_of(worker, oldest)
        seconds += gone.unload_s if gone else 0.0
    return Switch(seconds, 1, tuple(evicted), (*held, model))


def _bytes(worker: WorkerProfile, model: ModelName) -> int:
    profile = profile_of(worker, model)
    return profile.model_bytes if profile else 0


def runs(worker: WorkerProfile, model: ModelName) -> bool:
    """Whether `worker` can hold `model` at all."""
    profile = profile_of(worker, model)
    return profile is not None and profile.model_bytes <= worker.memory_bytes


def kv_tokens(worker: WorkerProfile, resident: Resident, model: ModelName) -> float:
    """Prefix tokens that fit beside the resident models; infinite where sizes are unknown."""
    profile = profile_of(worker, model)
    if profile is None or not profile.kv_bytes_per_token or not profile.model_bytes:
        return float("inf")
    free = worker.memory_bytes - sum(_bytes(worker, name) for name in resident)
    return max(0.0, free / profile.kv_bytes_per_token)
