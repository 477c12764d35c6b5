"""From what is remembered and configured to the planner's `Profiles`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from engine.ir.cost import ModelProfile, OutputProfile, Profiles, ToolProfile, WorkerProfile
from engine.ir.ids import ModelName, OperatorId, WorkerId
from engine.ir.logical import LlmOperator, Operator, ToolOperator
from engine.profiles.curves import scaled_curve
from engine.profiles.defaults import default_model_profile
from engine.profiles.device import GPU_DEVICE
from engine.profiles.records import (
    Measurements,
    ModelFacts,
    operator_signature,
    options_digest,
)

DEFAULT_TOOL_S = 0.02
DEFAULT_CONCURRENCY = 4


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A configured worker: what it may run, on which device, with how much memory."""

    worker: WorkerId
    backend: str
    device: str
    slots: int
    memory_bytes: int
    models: tuple[ModelFacts, ...]
    threads: int = 1


def assemble(
    workers: Iterable[WorkerFacts],
    operators: Iterable[Operator],
    measurements: Measurements,
    *,
    concurrency: Mapping[str, int] | None = None,
    estimates: Mapping[OperatorId, float] | None = None,
    resident: Mapping[WorkerId, tuple[ModelName, ...]] | None = None,
) -> Profiles:
    """All a plan needs to know.

    `concurrency`: calls at once by tool kind. `estimates`: seconds from the database's EXPLAIN, used for
    tools without history. Models without a measurement get the guess of `default_model_profile`.
    """
    listed = tuple(operators)
    return Profiles(
        workers=tuple(_worker(facts, measurements) for facts in workers),
        tools=tuple(
            _tool(operator, measurements, concurrency or {}, estimates or {})
            for operator in listed
            if isinstance(operator, ToolOperator)
        ),
        outputs=tuple(
            _output(operator, measurements) for operator in listed if isinstance(operator, LlmOperator)
        ),
        domains=_domains(listed, measurements),
        prompts=_prompts(listed, measurements),
        resident=dict(resident or {}),
    )


def _domains(operators: tuple[Operator, ...], measurements: Measurements) -> dict[OperatorId, float]:
    known = {operator.id: measurements.domains.get(operator_signature(operator)) for operator in operators}
    return {operator: domain for operator, domain in known.items() if domain is not None}


def _prompts(operators: tuple[Operator, ...], measurements: Measurements) -> dict[OperatorId, float]:
    known = {operator.id: measurements.prompts.get(operator_signature(operator)) for operator in operators}
    return {operator: average.mean for operator, average in known.items() if average is not None}


def _worker(facts: WorkerFacts, measurements: Measurements) -> WorkerProfile:
    return WorkerProfile(
        worker=facts.worker,
        backend=facts.backend,
        device=facts.device,
        slots=facts.slots,
        memory_bytes=facts.memory_bytes,
        models=tuple(_model(model, facts, measurements) for model in facts.models),
    )


def _model(model: ModelFacts, facts: WorkerFacts, measurements: Measurements) -> ModelProfile:
    record = measurements.model((facts.device, model.digest, options_digest(model.options)))
    if record is None:
        return default_model_profile(
            model.name,
            facts.device,
            model_bytes=model.model_bytes,
            kv_bytes_per_token=model.kv_bytes_per_token,
            threads=facts.threads,
            on_gpu=facts.device.startswith(GPU_DEVICE),
        )
    return ModelProfile(
        model=model.name,
        device=facts.device,
        prefill=scaled_curve(record.prefill, record.prefill_correction),
        decode=scaled_curve(record.decode, record.decode_correction),
        load_s=record.load_s,
        unload_s=record.unload_s,
        model_bytes=record.model_bytes or model.model_bytes,
        kv_bytes_per_token=record.kv_bytes_per_token or model.kv_bytes_per_token,
        restore_s_per_token=record.restore_s_per_token,
        measured=True,
    )


def _tool(
    operator: ToolOperator,
    measurements: Measurements,
    concurrency: Mapping[str, int],
    estimates: Mapping[OperatorId, float],
) -> ToolProfile:
    history = measurements.tools.get(operator_signature(operator))
    if history is not None:
        mean_s, source = history.mean, "history"
    elif operator.id in estimates:
        mean_s, source = estimates[operator.id], "explain"
    else:
        mean_s, source = DEFAULT_TOOL_S, "default"
    calls = concurrency.get(operator.tool, DEFAULT_CONCURRENCY)
    return ToolProfile(operator=operator.id, mean_s=mean_s, concurrency=calls, source=source)


def _output(operator: LlmOperator, measurements: Measurements) -> OutputProfile:
    history = measurements.outputs.get(operator_signature(operator))
    if history is None:
        return OutputProfile(operator=operator.id, mean_tokens=float(operator.max_tokens))
    tokens = min(history.mean, float(operator.max_tokens))
    return OutputProfile(operator=operator.id, mean_tokens=tokens, source="history")
