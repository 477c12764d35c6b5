"""Worker processes that outlive a run: lent to one after another, models and prefixes still warm.

A keeper task owns each process. While nobody borrows it the keeper reads its heartbeats and notices its
death; after a loan it lets go of whatever the run left in flight before it lends the process again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

import msgspec
import trio

from engine.errors import WorkerError
from engine.ir.ids import ModelName, WorkerId
from engine.ir.request import ModelFile
from engine.processor.attempts import CANCEL_GRACE_S, LOAD_DEADLINE_S
from engine.processor.lending import Lent
from engine.processor.watched_port import WatchedPort
from engine.processor.workers import WorkerSpec, open_worker
from engine.wire.messages import Cancel


@asynccontextmanager
async def open_pool() -> AsyncIterator[WorkerPool]:
    """An empty pool. When the context ends its processes are drained and reaped; killed on an exception."""
    async with trio.open_nursery() as nursery:
        pool = WorkerPool(nursery)
        try:
            yield pool
            await pool.fit(())
        finally:
            nursery.cancel_scope.cancel()


class WorkerPool:
    """Worker processes by id, each lent to one borrower at a time."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._kept: dict[WorkerId, _Kept] = {}

    @asynccontextmanager
    async def lend(self, spec: WorkerSpec) -> AsyncIterator[Lent]:
        """The process of this id, started if there is none that fits. A `Lender`.

        Waits until an earlier loan is over and cleared. What the process prints goes to `spec.log_path` now.
        """
        while True:
            kept = await self._fitting(spec)
            async with kept.hold():
                if kept.port.gone:
                    continue  # it died while nobody had it: nothing of this run went with it
                kept.port.log_to(spec.log_path)
                yield Lent(kept.port, dict(kept.port.residents), dict(kept.port.counters))
                return

    async def fit(self, specs: Iterable[WorkerSpec]) -> None:
        """End the processes that no spec asks for, since they hold memory that others may count on."""
        wanted = {spec.id: _lasting(spec) for spec in specs}
        unwanted = [kept for id_, kept in self._kept.items() if kept.spec != wanted.get(id_)]
        for kept in unwanted:
            kept.close()
        for kept in unwanted:
            await kept.ended.wait()

    def resident(self, files: Collection[ModelFile]) -> dict[WorkerId, tuple[ModelName, ...]]:
        """Which of these models each process holds, least recently used first: what planning starts from."""
        return {
            id_: tuple(name for name, held in kept.port.residents.items() if held.file in files)
            for id_, kept in self._kept.items()
            if not kept.port.gone
        }

    async def _fitting(self, spec: WorkerSpec) -> _Kept:
        kept = self._kept.get(spec.id)
        if kept is not None and (kept.port.gone or kept.spec != _lasting(spec)):
            kept.close()
            await kept.ended.wait()
            kept = self._kept.get(spec.id)
        if kept is not None:
            return kept
        started: _Kept = await self._nursery.start(self._keep, spec)
        return started

    async def _keep(self, spec: WorkerSpec, task_status: trio.TaskStatus[_Kept]) -> None:
        """One process from its start to its end. Raises WorkerError only when it cannot be started."""
        kept: _Kept | None = None
        try:
            async with open_worker(spec) as port:
                kept = self._kept[spec.id] = _Kept(_lasting(spec), WatchedPort(port))
                task_status.started(kept)
                await kept.live()
        except WorkerError:
            if kept is None:
                raise
        finally:
            if kept is not None:
                del self._kept[spec.id]
                kept.port.gone = True
                kept.ended.set()


class _Kept:
    """One process with its keeper's side: whoever holds the lock may talk to it."""

    def __init__(self, spec: WorkerSpec, port: WatchedPort) -> None:
        self.spec = spec
        self.port = port
        self.ended = trio.Event()
        self._lock = trio.Lock()
        self._idling = trio.CancelScope()
        self._wanted = 0
        self._closing = False

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Have the process for oneself; the keeper comes after."""
        self._wanted += 1
        self._idling.cancel()
        try:
            await self._lock.acquire()
        finally:
            self._wanted -= 1
        try:
            yield
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the process once nobody holds it; `ended` tells when."""
        self._closing = True
        self._idling.cancel()

    async def live(self) -> None:
        """Clear and read between loans, until closed. Raises WorkerError when the process dies."""
        while not self._closing:
            async with self._lock:
                await self._clear()
                with trio.CancelScope() as self._idling:
                    while not (self._wanted or self._closing):
                        await self.port.receive_many()

    async def _clear(self) -> None:
        """Take back what the last borrower left in flight; a process that does not let go is killed."""
        for request in tuple(self.port.requests):
            await self.port.send(Cancel(request=request))
        with trio.move_on_after(LOAD_DEADLINE_S) as patience:
            while self.port.loading:
                await self.port.receive_many()
                if self.port.preparing:  # no part of a load yet
                    patience.deadline = trio.current_time() + LOAD_DEADLINE_S
        with trio.move_on_after(CANCEL_GRACE_S):
            while self.port.requests:
                await self.port.receive_many()
        if self.port.loading or self.port.requests:
            self.port.kill("does not let go of what an earlier run left on it")


def _lasting(spec: WorkerSpec) -> WorkerSpec:
    """What makes a process fit a run; where it writes its log can change."""
    return msgspec.structs.replace(spec, log_path=None)
