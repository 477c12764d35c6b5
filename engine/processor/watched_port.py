"""A worker's port that keeps the books: what is in flight on the process, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import WorkerError
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import BackendStatistics, ModelFile
from engine.processor.lending import ResidentModel
from engine.processor.workers import WorkerPort
from engine.wire.messages import (
    Command,
    CommandFailed,
    Finished,
    Generate,
    LoadModel,
    ModelGone,
    ModelReady,
    Ready,
    Reply,
    RequestFailed,
    Statistics,
)


class WatchedPort:
    """A `WorkerPort` over another. `gone` is set once the process was seen dead."""

    def __init__(self, port: WorkerPort) -> None:
        self._port = port
        self._asked: dict[ModelName, ModelFile] = {}
        self.requests: set[RequestId] = set()
        self.loading = 0
        """Loads asked for and not answered."""
        self.preparing = False
        """Whether what a load needs is still being compiled."""
        self.residents: dict[ModelName, ResidentModel] = {}
        """Least recently used first."""
        self.counters: dict[ModelName, BackendStatistics] = {}
        self.gone = False

    @property
    def pid(self) -> int:
        return self._port.pid

    @property
    def ready(self) -> Ready:
        return self._port.ready

    async def send(self, command: Command) -> None:
        try:
            await self._port.send(command)
        except WorkerError:
            self.gone = True
            raise
        match command:  # no checkpoint since it was queued: no answer can have been read yet
            case Generate(model=model, requests=requests):
                self.requests.update(request.id for request in requests)
                if model in self.residents:
                    self.residents[model] = self.residents.pop(model)
            case LoadModel(model=file):
                self._asked[file.name] = file
                self.loading += 1
            case _:
                pass

    async def receive(self) -> Reply:
        try:
            reply = await self._port.receive()
        except WorkerError:
            self.gone = True
            raise
        self._note((reply,))
        return reply

    async def receive_many(self) -> list[Reply]:
        try:
            replies = await self._port.receive_many()
        except WorkerError:
            self.gone = True
            raise
        self._note(replies)
        return replies

    def log_to(self, path: str | None) -> None:
        self._port.log_to(path)

    def kill(self, reason: str) -> None:
        self._port.kill(reason)

    async def aclose(self) -> None:
        await self._port.aclose()

    def _note(self, replies: Iterable[Reply]) -> None:
        for reply in replies:
            match reply:
                case Finished(generated=generated):
                    self.requests.discard(generated.id)
                case RequestFailed(request=request):
                    self.requests.discard(request)
                case Statistics(models=models, preparing=preparing):
                    self.counters, self.preparing = models, preparing
                case ModelReady(info=info, unloaded=unloaded):
                    self.loading -= 1
                    for name in unloaded:
                        self.residents.pop(name, None)
                    self.residents.pop(info.model, None)
                    self.residents[info.model] = ResidentModel(self._asked[info.model], info)
                case ModelGone(model=model):
                    self.residents.pop(model, None)
                case CommandFailed(command="LoadModel"):
                    self.loading -= 1
                case _:
                    pass
