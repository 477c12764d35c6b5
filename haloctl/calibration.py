"""Measures a model on a worker: the worker process does the measuring, the result is remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import trio

from engine.errors import BackendError, first_error
from engine.ir.request import ModelFile
from engine.processor.lending import Lender, lend_new
from engine.processor.workers import WorkerPort, WorkerSpec
from engine.profiles.records import ModelRecord, options_digest
from engine.profiles.store import ProfileStore
from engine.wire.messages import (
    Calibrate,
    Calibrated,
    CommandFailed,
    LoadModel,
    ModelGone,
    ModelReady,
    Reply,
    UnloadModel,
)
from haloctl.digests import FormDigests
from haloctl.interruption import run_until_interrupted
from haloctl.knowledge import device_of
from haloctl.placement import Fleet


@dataclass(frozen=True)
class MeasuredForm:
    """A model's form and what it takes on the first device that was measured."""

    file: ModelFile
    record: ModelRecord


def calibrate_fleet(
    fleet: Fleet,
    digests: FormDigests,
    store: ProfileStore,
    *,
    quick: bool,
    say: Callable[[str], None],
) -> tuple[MeasuredForm, ...]:
    """Measure every form of every model in turn, on all workers that can run it at once, and remember it.

    In a run workers share memory and caches too. Of workers alike the slowest is remembered; one record a
    form comes back, that of the first worker's device. `say` hears before each how long it will take. What
    is measured is kept although a later one fails or SIGINT comes.

    Raises BackendError when a model cannot be loaded or measured, WorkerError when its process dies,
    KeyboardInterrupt after SIGINT.
    """
    return run_until_interrupted(partial(measure_fleet, fleet, digests, store, quick=quick, say=say))


async def measure_fleet(
    fleet: Fleet,
    digests: FormDigests,
    store: ProfileStore,
    *,
    quick: bool,
    say: Callable[[str], None],
    lend: Lender = lend_new,
) -> tuple[MeasuredForm, ...]:
    """`calibrate_fleet` on workers that `lend` gives; those of a pool hold the models afterwards."""
    found: list[MeasuredForm] = []
    for file in fleet.files:
        specs = tuple(spec for spec in fleet.workers if spec.backend == file.backend)
        workers = " and ".join(f"worker {spec.id}" for spec in specs)
        say(f"measuring {file.name} on {workers}: {'seconds' if quick else 'a few minutes at most'}")
        digest = digests[file.name, file.backend]
        slowest = _slowest(await _measure_at_once(specs, file, digest, quick, lend))
        for record in slowest.values():
            store.save(store.load().with_model(record))
        found.append(MeasuredForm(file, slowest[device_of(specs[0])]))
    return tuple(found)


def _slowest(records: Iterable[ModelRecord]) -> dict[str, ModelRecord]:
    """Of each device the record whose curves take longest."""
    ordered = sorted(records, key=lambda record: sum(seconds for _, seconds in record.decode))
    return {record.device: record for record in ordered}


async def _measure_at_once(
    specs: Iterable[WorkerSpec], file: ModelFile, digest: str, quick: bool, lend: Lender
) -> list[ModelRecord]:
    records: list[ModelRecord] = []

    async def measure_one(spec: WorkerSpec) -> None:
        records.append(await _measure(spec, file, digest, quick, lend))

    try:
        async with trio.open_nursery() as nursery:
            for spec in specs:
                nursery.start_soon(measure_one, spec)
    except BaseExceptionGroup as group:
        error = first_error(group)
        raise error from error.__cause__
    return records


async def _measure(spec: WorkerSpec, file: ModelFile, digest: str, quick: bool, lend: Lender) -> ModelRecord:
    async with lend(spec) as lent:
        port = lent.port
        if file.name in lent.residents:  # it is to be measured how long loading takes
            await _ask(port, UnloadModel(model=file.name), ModelGone)
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


async def _ask(port: WorkerPort, command: LoadModel | UnloadModel | Calibrate, wanted: type[Reply]) -> Reply:
    """Send a command and wait for its answer; statistics in between are passed over."""
    await port.send(command)
    while True:
        reply = await port.receive()
        if isinstance(reply, wanted):
            return reply
        if isinstance(reply, CommandFailed):
            raise BackendError(f"{reply.command} {reply.model}: {reply.message}", code=reply.code)
