"""One actor per worker process: commands in, replies out as stimuli, and a new process after a crash."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

import msgspec
import trio

from engine.errors import WorkerError, first_error
from engine.ir.ids import ModelName, NodeId, RequestId
from engine.ir.request import GenerateRequest, ModelFile
from engine.ir.result import Failure
from engine.processor.attempts import Attempt, Held
from engine.processor.channels import Receiver, Sender
from engine.processor.failures import CANCELLED
from engine.processor.lending import Lender, Lent, lend_new
from engine.processor.protocol import (
    Dispatch,
    Errored,
    LaneUp,
    LetGo,
    LlmWork,
    Load,
    Respawn,
    Stimulus,
    WorkerDied,
)
from engine.processor.replies import note_model, stimulus_of
from engine.processor.workers import WorkerPort, WorkerSpec
from engine.wire.messages import Cancel, Generate, LoadModel

LaneCommand: TypeAlias = Dispatch | Load | Respawn | LetGo
WATCH_PERIOD_S = 0.2
BURST = 64
"""Commands put into one write."""


class LlmActor:
    """Owns one worker's lane across restarts of its process, which `lend` gives."""

    def __init__(
        self,
        spec: WorkerSpec,
        models: Mapping[ModelName, ModelFile],
        outbox: Sender[Stimulus],
        clock: Callable[[], float],
        heartbeat_s: float,
        lend: Lender = lend_new,
    ) -> None:
        self._spec = spec
        self._models = models
        self._outbox = outbox
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._lend = lend
        self._next_request = 0
        self._port: WorkerPort | None = None
        self._restarting = False

    def restart(self) -> None:
        """Kill the process now, though it may not be reading; it comes back as asked for. Else nothing."""
        if self._port is not None:
            self._restarting = True
            self._port.kill("restarted on request")

    async def run(self, inbox: Receiver[LaneCommand]) -> None:
        """Serve until the inbox is closed; a crash is told as `WorkerDied` and waits for `Respawn`."""
        with self._outbox:
            while True:
                try:
                    async with self._lend(self._spec) as lent:
                        if await self._serve(lent, inbox):
                            return
                except* WorkerError as group:
                    error = first_error(group)
                    assert isinstance(error, WorkerError)
                    await self._outbox.send(self._died(error))
                if not await _wait_respawn(inbox):
                    return

    def _died(self, error: WorkerError) -> WorkerDied:
        asked, self._restarting, self._port = self._restarting, False, None
        blamed = not asked and error.signal != signal.SIGKILL
        return WorkerDied(self._spec.id, str(error), blamed, error.signal, asked)

    async def _serve(self, lent: Lent, inbox: Receiver[LaneCommand]) -> bool:
        """True when the inbox was closed. Raises WorkerError (in a group) when the process dies."""
        port = self._port = lent.port
        held = Held(heartbeat_s=self._heartbeat_s, progress_at=self._clock(), counters=dict(lent.counters))
        warm = self._take_over(lent, held)
        await self._outbox.send(LaneUp(self._spec.id, port.pid, self._spec.backend, warm))
        closed = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump_replies, port, held)
            nursery.start_soon(self._watch_deadlines, port, held)
            closed = await self._pump_commands(port, held, inbox)
            nursery.cancel_scope.cancel()
        return closed

    def _take_over(self, lent: Lent, held: Held) -> tuple[ModelName, ...]:
        """Models of this run, loaded as it would load them, that the process holds already."""
        warm = tuple(name for name, has in lent.residents.items() if self._models.get(name) == has.file)
        for name in warm:
            note_model(lent.residents[name].info, held, self._spec.id)
        return warm

    async def _pump_commands(self, port: WorkerPort, held: Held, inbox: Receiver[LaneCommand]) -> bool:
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
                        generate.setdefault(model, []).append(self._begin(held, command, work))
                    case Load(model=model):
                        await _send_generate(port, generate)  # the load may unload what they run on
                        held.load(self._clock())
                        await port.send(LoadModel(model=self._models[model]))
                    case LetGo(node=node):
                        await _send_generate(port, generate)  # it may be among these
                        await self._let_go(port, held, node)
                    case Dispatch() | Respawn():
                        pass  # a respawn that crossed with a start: the process is up
                    case _:
                        assert_never(command)
            await _send_generate(port, generate)

    def _begin(self, held: Held, dispatch: Dispatch, work: LlmWork) -> GenerateRequest:
        """Note an attempt; its request gets an id of its own, since a node may come twice."""
        self._next_request += 1
        request = msgspec.structs.replace(work.request, id=RequestId(self._next_request))
        attempt = Attempt(dispatch.node, request, work.model, dispatch.attempt, dispatch.timeout_s)
        held.begin(request.id, attempt, self._clock())
        return request

    async def _let_go(self, port: WorkerPort, held: Held, node: NodeId) -> None:
        """Cancel what runs for a node; its end is told now, the worker's answer will not be."""
        for request in held.let_go(node, self._clock()):
            await port.send(Cancel(request=request))
            await self._outbox.send(Errored(node, CANCELLED))

    async def _pump_replies(self, port: WorkerPort, held: Held) -> None:
        while True:
            replies = await port.receive_many()
            at = self._clock()
            stimuli = [stimulus_of(reply, held, self._spec.id, at) for reply in replies]
            held.handing_over = True
            await self._outbox.send_many([stimulus for stimulus in stimuli if stimulus is not None])
            held.handing_over = False

    async def _watch_deadlines(self, port: WorkerPort, held: Held) -> None:
        """Cancel requests past their run deadline; kill a worker that makes no progress at all."""
        while True:
            await trio.sleep(WATCH_PERIOD_S)
            for request, attempt in held.newly_expired(self._clock()):
                await port.send(Cancel(request=request))
                message = f"no answer within timeout_s = {attempt.timeout_s:g}"
                await self._outbox.send(Errored(attempt.node, Failure(code="timeout", message=message)))
            why = held.hopeless(self._clock())
            if why is not None:
                port.kill(why)


async def _send_generate(port: WorkerPort, requests: dict[ModelName, list[GenerateRequest]]) -> None:
    """Send what was collected, a command a model, and empty the collection."""
    for model, collected in requests.items():
        await port.send(Generate(model=model, requests=tuple(collected)))
    requests.clear()


async def _wait_respawn(inbox: Receiver[LaneCommand]) -> bool:
    """Discard commands that crossed with the crash until told to respawn; False when closed."""
    async for command in inbox:
        if isinstance(command, Respawn):
            await trio.sleep(command.delay_s)
            return True
    return False
