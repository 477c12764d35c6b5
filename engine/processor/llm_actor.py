"""One actor per worker process: commands in, replies out as stimuli, and a new process after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

import msgspec
import trio

from engine.errors import WorkerError
from engine.ir.ids import ModelName, NodeId, RequestId
from engine.ir.request import BackendInfo, BackendStatistics, GenerateRequest, ModelFile
from engine.ir.result import Completed, Failure, Provenance
from engine.processor.channels import Receiver, Sender
from engine.processor.protocol import (
    Dispatch,
    Errored,
    LaneUp,
    LlmWork,
    Load,
    LoadFailed,
    Measured,
    Progress,
    Resident,
    Respawn,
    Stimulus,
    Succeeded,
    WorkerDied,
)
from engine.processor.values import value_of
from engine.processor.workers import WorkerPort, WorkerSpec, open_worker
from engine.wire.messages import (
    Calibrated,
    Cancel,
    CommandFailed,
    Decoded,
    Drained,
    Finished,
    Generate,
    LoadModel,
    ModelGone,
    ModelReady,
    PrefixExported,
    PrefixImported,
    Ready,
    Reply,
    RequestFailed,
    Statistics,
)

LaneCommand: TypeAlias = Dispatch | Load | Respawn
CANCEL_GRACE_S = 5.0
"""After a run deadline the worker may take this long to let go before it is killed."""
LOAD_DEADLINE_S = 600.0
BURST = 64
"""Commands put into one write."""


@dataclass(slots=True)
class _Attempt:
    """One request in flight on the worker."""

    node: NodeId
    request: GenerateRequest
    model: ModelName
    number: int
    timeout_s: float | None
    deadline: float | None = None
    cancelled: bool = False


@dataclass(slots=True)
class _Lane:
    """What one worker process holds; made afresh after a crash."""

    port: WorkerPort
    attempts: dict[RequestId, _Attempt] = field(default_factory=dict)
    provenance: dict[ModelName, Provenance] = field(default_factory=dict)
    statistics: dict[ModelName, BackendStatistics] = field(default_factory=dict)
    loading_since: float | None = None
    progress_at: float = 0.0


class LlmActor:
    """Owns one worker's process across restarts."""

    def __init__(
        self,
        spec: WorkerSpec,
        models: Mapping[ModelName, ModelFile],
        outbox: Sender[Stimulus],
        clock: Callable[[], float],
        heartbeat_s: float,
    ) -> None:
        self._spec = spec
        self._models = models
        self._outbox = outbox
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._next_request = 0

    async def run(self, inbox: Receiver[LaneCommand]) -> None:
        """Serve until the inbox is closed; a crash is told as `WorkerDied` and waits for `Respawn`."""
        with self._outbox:
            while True:
                try:
                    async with open_worker(self._spec) as port:
                        if await self._serve(port, inbox):
                            return
                except* WorkerError as group:
                    error = _first(group)
                    blamed = getattr(error, "signal", None) != 9
                    await self._outbox.send(WorkerDied(self._spec.id, str(error), blamed))
                if not await _wait_respawn(inbox):
                    return

    async def _serve(self, port: WorkerPort, inbox: Receiver[LaneCommand]) -> bool:
        """True when the inbox was closed. Raises WorkerError (in a group) when the process dies."""
        lane = _Lane(port=port, progress_at=trio.current_time())
        await self._outbox.send(LaneUp(self._spec.id, port.pid, self._spec.backend))
        closed = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump_replies, lane)
            nursery.start_soon(self._watch_deadlines, lane)
            closed = await self._pump_commands(lane, inbox)
            nursery.cancel_scope.cancel()
        return closed

    async def _pump_commands(self, lane: _Lane, inbox: Receiver[LaneCommand]) -> bool:
        """Send what the inbox holds, a burst at a time, until it is closed; then True."""
        while True:
            try:
                burst = await inbox.receive_many(BURST)
            except trio.EndOfChannel:
                return True
            generate: dict[ModelName, list[GenerateRequest]] = {}
            for command in burst:
                match command:
                    case Dispatch(work=LlmWork(model=model) as work):
                        generate.setdefault(model, []).append(self._begin(lane, command, work))
                    case Load(model=model):
                        lane.loading_since = trio.current_time()
                        await lane.port.send(LoadModel(model=self._models[model]))
                    case Dispatch() | Respawn():
                        pass  # a respawn that crossed with a start: the process is up
                    case _:
                        assert_never(command)
            for model, requests in generate.items():
                await lane.port.send(Generate(model=model, requests=tuple(requests)))

    def _begin(self, lane: _Lane, dispatch: Dispatch, work: LlmWork) -> GenerateRequest:
        """Note an attempt; its request gets an id of its own, since a node may come twice."""
        self._next_request += 1
        request = msgspec.structs.replace(work.request, id=RequestId(self._next_request))
        if not lane.attempts:
            lane.progress_at = trio.current_time()
        lane.attempts[request.id] = _Attempt(
            dispatch.node, request, work.model, dispatch.attempt, dispatch.timeout_s
        )
        return request

    async def _pump_replies(self, lane: _Lane) -> None:
        while True:
            await self._absorb(lane, await lane.port.receive())

    async def _absorb(self, lane: _Lane, reply: Reply) -> None:
        if not isinstance(reply, Statistics):
            lane.progress_at = trio.current_time()
        match reply:
            case Finished():
                await self._on_finished(lane, reply)
            case Decoded(progress=progress):
                await self._on_decoded(lane, progress)
            case RequestFailed():
                attempt = lane.attempts.pop(reply.request, None)
                if attempt is not None and not attempt.cancelled:
                    failure = Failure(code=reply.code, message=reply.message, retryable=reply.retryable)
                    await self._outbox.send(Errored(attempt.node, failure))
            case ModelReady(info=info):
                lane.loading_since = None
                lane.provenance[info.model] = self._provenance(info)
                await self._outbox.send(
                    Resident(self._spec.id, info.model, reply.load_s, tuple(reply.unloaded))
                )
            case CommandFailed():
                lane.loading_since = None
                if reply.command == "LoadModel" and reply.model is not None:
                    failure = Failure(code="generation_failed", message=reply.message)
                    await self._outbox.send(LoadFailed(self._spec.id, reply.model, failure))
            case Statistics():
                await self._on_statistics(lane, reply)
            case Ready() | ModelGone() | PrefixExported() | PrefixImported() | Calibrated() | Drained():
                pass
            case _:
                assert_never(reply)

    async def _on_finished(self, lane: _Lane, reply: Finished) -> None:
        attempt = lane.attempts.pop(reply.generated.id, None)
        if attempt is None or attempt.cancelled:
            return
        value = value_of(reply.generated, attempt.request.schema)
        if isinstance(value, Failure):
            greedy = attempt.request.sampling.temperature == 0
            await self._outbox.send(
                Errored(attempt.node, msgspec.structs.replace(value, retryable=not greedy))
            )
            return
        now = self._clock()
        completed = Completed(
            value=value,
            text=reply.generated.text if attempt.request.schema is not None else None,
            usage=reply.generated.usage,
            provenance=lane.provenance[attempt.model],
            started_s=max(now - (reply.finished_s - reply.started_s), 0.0),
            finished_s=now,
            attempts=attempt.number,
        )
        await self._outbox.send(Succeeded(attempt.node, completed))

    def _provenance(self, info: BackendInfo) -> Provenance:
        return Provenance(
            worker=self._spec.id,
            backend=info.backend,
            build=info.build,
            model=info.model,
            model_digest=info.model_digest,
        )

    async def _on_decoded(self, lane: _Lane, progress: tuple[tuple[RequestId, int], ...]) -> None:
        now = trio.current_time()
        known = []
        for request, tokens in progress:
            attempt = lane.attempts.get(request)
            if attempt is None:
                continue
            if attempt.timeout_s is not None and attempt.deadline is None:
                attempt.deadline = now + attempt.timeout_s  # the run deadline starts with the first token
            known.append((attempt.node, tokens))
        if known:
            await self._outbox.send(Progress(tuple(known)))

    async def _on_statistics(self, lane: _Lane, reply: Statistics) -> None:
        prefill = decode = 0.0
        evicted = steps = 0
        for model, now in reply.models.items():
            before = lane.statistics.get(model, BackendStatistics())
            prefill += now.prefill_s - before.prefill_s
            decode += now.decode_s - before.decode_s
            evicted += now.evicted_tokens - before.evicted_tokens
            steps += now.steps - before.steps
            lane.statistics[model] = now
        if steps:
            lane.progress_at = trio.current_time()
            await self._outbox.send(Measured(self._spec.id, prefill, decode, max(evicted, 0)))

    async def _watch_deadlines(self, lane: _Lane) -> None:
        """Cancel requests past their run deadline; kill a worker that makes no progress at all."""
        while True:
            await trio.sleep(0.2)
            now = trio.current_time()
            for request, attempt in list(lane.attempts.items()):
                if attempt.deadline is None or now < attempt.deadline:
                    continue
                if not attempt.cancelled:
                    attempt.cancelled = True
                    await lane.port.send(Cancel(request=request))
                    message = f"no answer within timeout_s = {attempt.timeout_s:g}"
                    await self._outbox.send(Errored(attempt.node, Failure(code="timeout", message=message)))
                elif now > attempt.deadline + CANCEL_GRACE_S:
                    lane.port.kill("does not let go of a cancelled request")
            if lane.loading_since is not None:
                if now - lane.loading_since > LOAD_DEADLINE_S:
                    lane.port.kill(f"a model did not load within {LOAD_DEADLINE_S:g} s")
            elif lane.attempts and now - lane.progress_at > self._heartbeat_s:
                lane.port.kill(f"no progress for {self._heartbeat_s:g} s")


async def _wait_respawn(inbox: Receiver[LaneCommand]) -> bool:
    """Discard commands that crossed with the crash until told to respawn; False when closed."""
    async for command in inbox:
        if isinstance(command, Respawn):
            await trio.sleep(command.delay_s)
            return True
    return False


def _first(group: BaseExceptionGroup[WorkerError]) -> WorkerError:
    """The first leaf of a group of worker errors."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, WorkerError)
    return error
