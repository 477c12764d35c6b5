"""What a worker's replies mean to the run: each reply to at most one stimulus. Sans-I/O."""

from __future__ import annotations

from typing import assert_never

import msgspec

from engine.ir.ids import WorkerId
from engine.ir.request import BackendInfo, BackendStatistics
from engine.ir.result import Completed, Failure, Provenance
from engine.processor.attempts import Held
from engine.processor.protocol import (
    Errored,
    LoadFailed,
    Measured,
    Progress,
    Resident,
    Stimulus,
    Succeeded,
)
from engine.processor.values import value_of
from engine.wire.messages import (
    Calibrated,
    CommandFailed,
    Decoded,
    Drained,
    Finished,
    ModelGone,
    ModelReady,
    PrefixExported,
    PrefixImported,
    Ready,
    Reply,
    RequestFailed,
    Statistics,
)


def stimulus_of(reply: Reply, held: Held, worker: WorkerId, at: float) -> Stimulus | None:
    """Note a reply in what the process holds; None for what the run need not hear of."""
    if not isinstance(reply, Statistics):
        held.progress_at = at
    match reply:
        case Finished():
            return _finished(reply, held, at)
        case Decoded(progress=progress):
            nodes = ((held.note_token(request, at), tokens) for request, tokens in progress)
            known = tuple((node, tokens) for node, tokens in nodes if node is not None)
            return Progress(known) if known else None
        case RequestFailed():
            attempt = held.attempts.pop(reply.request, None)
            if attempt is None or attempt.cancelled:
                return None
            failure = Failure(code=reply.code, message=reply.message, retryable=reply.retryable)
            return Errored(attempt.node, failure)
        case ModelReady(info=info):
            held.load_asked = False
            note_model(info, held, worker)
            return Resident(worker, info.model, reply.load_s, reply.unloaded)
        case ModelGone(model=model):
            return Resident(worker, None, 0.0, (model,))
        case CommandFailed():
            held.load_asked = False
            if reply.model is None:
                return None
            return LoadFailed(worker, reply.model, Failure(code="generation_failed", message=reply.message))
        case Statistics():
            return _measured(reply, held.absorb(reply, at), worker)
        case Ready() | PrefixExported() | PrefixImported() | Calibrated() | Drained():
            return None
        case _:
            assert_never(reply)


def note_model(info: BackendInfo, held: Held, worker: WorkerId) -> None:
    """A model is resident: requests on it can run, and results say where they come from."""
    held.slots[info.model] = info.slots
    held.provenance[info.model] = _provenance(worker, info)


def _measured(beat: Statistics, gain: BackendStatistics, worker: WorkerId) -> Measured:
    models = beat.models.values()
    return Measured(
        worker,
        gain.prefill_s,
        gain.decode_s,
        gain.evicted_tokens,
        sequences=sum(model.running for model in models),
        waiting=sum(model.waiting for model in models),
        resident_bytes=beat.resident_bytes,
        cells_used=sum(model.cells_used for model in models),
        cells_total=sum(model.cells_total for model in models),
    )


def _finished(reply: Finished, held: Held, at: float) -> Succeeded | Errored | None:
    attempt = held.attempts.pop(reply.generated.id, None)
    if attempt is None or attempt.cancelled:
        return None
    schema = attempt.request.schema
    value = value_of(reply.generated, schema)
    if isinstance(value, Failure):
        greedy = attempt.request.sampling.temperature == 0  # the next attempt would say the same
        return Errored(attempt.node, msgspec.structs.replace(value, retryable=not greedy))
    completed = Completed(
        value=value,
        text=reply.generated.text if schema is not None else None,
        usage=reply.generated.usage,
        provenance=held.provenance[attempt.model],
        started_s=max(at - (reply.finished_s - reply.started_s), 0.0),
        finished_s=at,
        waited_s=reply.generated.waited_s,
        prefill_s=reply.generated.prefill_s,
        attempts=attempt.number,
    )
    return Succeeded(attempt.node, completed)


def _provenance(worker: WorkerId, info: BackendInfo) -> Provenance:
    return Provenance(
        worker=worker,
        backend=info.backend,
        build=info.build,
        model=info.model,
        model_digest=info.model_digest,
    )
