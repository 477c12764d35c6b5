"""Measures a model on a worker: the worker process does the measuring, the result is remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from engine.errors import BackendError
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile
from engine.processor.workers import WorkerPort, WorkerSpec, open_worker
from engine.profiles.records import ModelRecord, options_digest
from engine.profiles.store import ProfileStore
from engine.wire.messages import Calibrate, Calibrated, CommandFailed, LoadModel, ModelReady, Reply
from haloctl.knowledge import device_of
from haloctl.placement import Fleet


def calibrate_fleet(
    fleet: Fleet,
    digests: Mapping[ModelName, str],
    store: ProfileStore,
    *,
    quick: bool,
    say: Callable[[str], None],
) -> tuple[ModelRecord, ...]:
    """Measure every model on the first worker that can run it, one after another, and remember the results.

    `say` hears before each how long it will take. What is measured is kept although a later one fails.
    Raises BackendError when a model cannot be loaded or measured, WorkerError when its process dies.
    """
    records: list[ModelRecord] = []
    for name, file in fleet.models.items():
        spec = fleet.able(name)[0]
        say(f"measuring {name} on worker {spec.id}: {'seconds' if quick else 'a few minutes at most'}")
        record = trio.run(_measure, spec, file, digests[name], quick)
        store.save(store.load().with_model(record))
        records.append(record)
    return tuple(records)


async def _measure(spec: WorkerSpec, file: ModelFile, digest: str, quick: bool) -> ModelRecord:
    async with open_worker(spec) as port:
        ready = await _ask(port, LoadModel(model=file), ModelReady)
        measured = await _ask(port, Calibrate(model=file.name, quick=quick), Calibrated)
    assert isinstance(ready, ModelReady)
    assert isinstance(measured, Calibrated)
    return ModelRecord(
        device=device_of(spec),
        digest=digest,
        options=options_digest(file.options),
        prefill=measured.prefill,
        decode=measured.decode,
        load_s=ready.load_s,
        model_bytes=ready.info.model_bytes,
        kv_bytes_per_token=ready.info.kv_bytes_per_token,
        restore_s_per_token=measured.restore_s_per_token,
    )


async def _ask(port: WorkerPort, command: LoadModel | Calibrate, wanted: type[Reply]) -> Reply:
    """Send a command and wait for its answer; statistics in between are passed over."""
    await port.send(command)
    while True:
        reply = await port.receive()
        if isinstance(reply, wanted):
            return reply
        if isinstance(reply, CommandFailed):
            raise BackendError(f"{reply.command} {reply.model}: {reply.message}", code=reply.code)
