"""How a run comes by a worker process: lent one, from its own making or from a pool that outlives the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.ir.ids import ModelName
from engine.ir.request import BackendInfo, BackendStatistics, ModelFile
from engine.processor.workers import WorkerPort, WorkerSpec, open_worker


@dataclass(frozen=True, slots=True)
class ResidentModel:
    """A model a worker process holds: what it was loaded from, and what the backend says of it."""

    file: ModelFile
    info: BackendInfo


@dataclass(frozen=True, slots=True)
class Lent:
    """A worker process lent to a run, and what earlier runs left in it.

    Nothing is in flight on it. `residents` stands least recently used first; `counters` is what the process
    had counted by now, so that the run counts its own share alone.
    """

    port: WorkerPort
    residents: Mapping[ModelName, ResidentModel] = field(default_factory=dict)
    counters: Mapping[ModelName, BackendStatistics] = field(default_factory=dict)


Lender: TypeAlias = Callable[[WorkerSpec], AbstractAsyncContextManager[Lent]]
"""Lends a process as specified for the length of the context. Raises WorkerError when none can be started,
and passes on the WorkerError that ends the context: the next loan then is another process."""


@asynccontextmanager
async def lend_new(spec: WorkerSpec) -> AsyncIterator[Lent]:
    """A process of the run's own, started now and ended with the context."""
    async with open_worker(spec) as port:
        yield Lent(port)
