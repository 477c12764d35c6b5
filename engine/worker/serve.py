"""The worker's loop: poll commands, step every model that has work, write a tick's replies at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias, assert_never

from engine.errors import BackendError, HaloError
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import Generated, GenerateOutput, GenerateRequest, Progressed, Rejected
from engine.ir.result import FAILURE_CODES
from engine.kv.host_store import unpack
from engine.profiles.measure import measure
from engine.wire.messages import (
    Calibrate,
    Calibrated,
    Cancel,
    Command,
    CommandFailed,
    Decoded,
    Drain,
    Drained,
    ExportPrefix,
    Finished,
    Generate,
    ImportPrefix,
    LoadModel,
    ModelGone,
    ModelReady,
    PrefixExported,
    PrefixImported,
    Reply,
    RequestFailed,
    Statistics,
    UnloadModel,
)
from engine.worker.heartbeat import Heartbeat
from engine.worker.link import Link
from engine.worker.loading import Preparer
from engine.worker.residency import Residency, Resident

PROGRESS_PERIOD_S = 0.1
PUBLISH_PERIOD_S = 0.05

Deferred: TypeAlias = LoadModel | UnloadModel | Calibrate
"""Commands that may have to wait until a model is idle; they keep their order."""


class Server:
    """State of one worker process; `run` returns after a drain. Used from the main thread only."""

    def __init__(
        self,
        link: Link,
        residency: Residency,
        heartbeat: Heartbeat,
        clock: Callable[[], float],
        prepare: Preparer,
    ) -> None:
        self._link = link
        self._residency = residency
        self._heartbeat = heartbeat
        self._clock = clock
        self._prepare = prepare
        self._replies: list[Reply] = []
        self._deferred: deque[Deferred] = deque()
        self._progress: dict[RequestId, int] = {}
        self._progress_s = 0.0
        self._published_s = 0.0
        self._stepped = False
        self._draining = False
        self._loading: ModelName | None = None
        self._preparing = False

    def run(self) -> None:
        """Serve until drained. Raises PeerGone when the coordinator goes; other exceptions are bugs."""
        while not (self._draining and not self._residency.busy and not self._deferred):
            busy = self._residency.busy
            for command in self._link.receive(wait=not busy and not self._deferred):
                self._obey(command)
            self._heartbeat.busy = self._residency.busy or bool(self._deferred)
            self._try_deferred()
            self._step_all()
            self._flush()
        self._publish()
        self._replies += [self._statistics(), Drained()]
        self._flush()
        self._residency.close()

    # --- commands -----------------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        match command:
            case Generate(model=model, requests=requests):
                for request in requests:
                    self._accept(model, request)
            case Cancel(request=request_id):
                self._cancel(request_id)
            case LoadModel() | UnloadModel() | Calibrate():
                self._deferred.append(command)
            case ExportPrefix(model=model, request=request):
                self._export(model, request)
            case ImportPrefix(model=model, state=state):
                resident = self._residency.models.get(model)
                tokens = resident.backend.import_prefix(state) if resident is not None else 0
                self._replies.append(PrefixImported(model=model, tokens=tokens))
            case Drain():
                self._draining = True
                while self._deferred:
                    self._refuse(self._deferred.popleft(), "cancelled", "the worker is draining")
            case _:
                assert_never(command)

    def _accept(self, model: ModelName, request: GenerateRequest) -> None:
        resident = self._residency.models.get(model)
        if resident is None or self._draining:
            reason = "the worker is draining" if self._draining else f"model {model} is not resident"
            self._fail(request.id, "worker_lost", reason, retryable=True)
            return
        try:
            resident.backend.enqueue(request)
        except BackendError as error:
            code = error.code if error.code in FAILURE_CODES else "generation_failed"
            self._fail(request.id, code, str(error), retryable=error.retryable)
            return
        resident.used_s = time.monotonic()
        resident.accepted[request.id] = self._clock()
        resident.prompts.note(request.messages)

    def _cancel(self, request: RequestId) -> None:
        for resident in self._residency.models.values():
            if request in resident.accepted:
                resident.backend.cancel(request)

    def _export(self, model: ModelName, request: GenerateRequest) -> None:
        resident = self._residency.models.get(model)
        state = None
        if resident is not None:
            with suppress(BackendError):  # a prompt that is no prompt has no state either
                state = resident.backend.export_prefix(resident.backend.prompt_tokens(request.messages))
        packed = unpack(state) if state is not None else None
        tokens = len(packed.tokens) if packed is not None else 0
        self._replies.append(PrefixExported(model=model, tokens=tokens, state=state))

    def _fail(self, request: RequestId, code: str, message: str, *, retryable: bool = False) -> None:
        self._replies.append(RequestFailed(request=request, code=code, message=message, retryable=retryable))

    # --- commands that wait for idle models ---------------------------------------------------------

    def _try_deferred(self) -> None:
        """Carry out deferred commands in order until one must wait."""
        while self._deferred:
            command = self._deferred[0]
            try:
                if not self._attempt(command):
                    return
            except HaloError as error:
                self._refuse(command, error.code, str(error))
            self._deferred.popleft()

    def _attempt(self, command: Deferred) -> bool:
        """False when the command has to wait for a model to become idle."""
        match command:
            case LoadModel():
                return self._load(command)
            case UnloadModel(model=model):
                resident = self._residency.models.get(model)
                if resident is not None and not resident.backend.idle:
                    return False
                self._residency.unload(model)
                self._replies.append(ModelGone(model=model))
                return True
            case Calibrate(model=model):
                return self._calibrate(model, quick=command.quick)
            case _:
                assert_never(command)

    def _load(self, command: LoadModel) -> bool:
        file = command.model
        if self._residency.holds(file):
            resident = self._residency.models[file.name]
            resident.used_s = time.monotonic()
            self._replies.append(ModelReady(info=resident.backend.info, load_s=0.0))
            return True
        unloaded = self._residency.make_room(file)
        if unloaded is None:
            return False
        self._loading = file.name
        try:
            self._compile(file.backend)
            resident, load_s = self._residency.load(file)
        except HaloError:
            self._replies += [ModelGone(model=name) for name in unloaded]
            raise
        finally:
            self._loading = None
            self._publish()
        self._replies.append(ModelReady(info=resident.backend.info, load_s=load_s, unloaded=unloaded))
        return True

    def _compile(self, backend: str) -> None:
        """What a first load would compile is compiled before it, and told apart: it may take far longer."""
        self._preparing = True
        self._publish()
        try:
            self._prepare(backend)
        finally:
            self._preparing = False
            self._publish()

    def _calibrate(self, model: ModelName, *, quick: bool) -> bool:
        resident = self._residency.models.get(model)
        if resident is None:
            raise BackendError(f"model {model} is not resident", fix="load it before calibrating")
        if not resident.backend.idle:
            return False
        measured = measure(resident.backend, quick=quick)
        self._replies.append(
            Calibrated(
                model=model,
                prefill=measured.prefill,
                decode=measured.decode,
                restore_s_per_token=measured.restore_s_per_token,
            )
        )
        return True

    def _refuse(self, command: Deferred, code: str, message: str) -> None:
        model = command.model.name if isinstance(command, LoadModel) else command.model
        name = type(command).__name__
        self._replies.append(CommandFailed(command=name, model=model, code=code, message=message))

    # --- work ---------------------------------------------------------------------------------------

    def _step_all(self) -> None:
        """One step of each model that has work, in turn, and their outputs as replies."""
        for resident in tuple(self._residency.models.values()):
            if not resident.backend.idle:
                for output in resident.backend.step():
                    self._absorb(resident, output)
                resident.used_s = time.monotonic()
                self._stepped = True

    def _absorb(self, resident: Resident, output: GenerateOutput) -> None:
        match output:
            case Progressed():
                self._progress[output.id] = output.decoded_tokens
            case Generated():
                started_s = resident.accepted.pop(output.id, self._clock())
                self._progress.pop(output.id, None)
                self._replies.append(
                    Finished(generated=output, started_s=started_s, finished_s=self._clock())
                )
            case Rejected():
                resident.accepted.pop(output.id, None)
                self._progress.pop(output.id, None)
                code = output.code if output.code in FAILURE_CODES else "generation_failed"
                self._fail(output.id, code, output.message)
            case _:
                assert_never(output)

    # --- replies ------------------------------------------------------------------------------------

    def _flush(self) -> None:
        now = self._clock()
        if self._progress and now - self._progress_s >= PROGRESS_PERIOD_S:
            self._progress_s = now
            self._replies.append(Decoded(progress=tuple(self._progress.items())))
            self._progress.clear()
        busy = self._residency.busy
        if now - self._published_s >= PUBLISH_PERIOD_S or not busy:
            self._publish()
        if self._stepped and not busy:
            # before the last texts: whoever waits for those only has the counters of all that ran
            self._replies.insert(0, self._statistics())
            self._stepped = False
        if self._replies:
            replies, self._replies = self._replies, []
            self._link.send(replies)

    def _publish(self) -> None:
        self._published_s = self._clock()
        self._heartbeat.busy = self._residency.busy
        self._heartbeat.publish(self._statistics())

    def _statistics(self) -> Statistics:
        return Statistics(
            at_s=self._clock(),
            resident_bytes=self._residency.cost_bytes,
            models={name: held.backend.statistics() for name, held in self._residency.models.items()},
            loading=self._loading,
            preparing=self._preparing,
        )
