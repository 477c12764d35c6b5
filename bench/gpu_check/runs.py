"""The six workloads end to end on a GPU worker, on CPU and GPU workers together, and with a worker killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import trio

from bench.gpu_check.models import databases_folder, folder_of, gguf_of
from bench.gpu_check.target import Figures, Target
from bench.gpu_check.through_engine import (
    FIXED,
    Ran,
    carry_out,
    gpu_worker,
    request_for,
    settings_for,
    silent,
)
from bench.workloads.matrix import WORKLOADS
from bench.workloads.models import CONTEXT_TOKENS, SIZES
from bench.workloads.run_cell import LATENCY_SCALE, SEED
from engine.ir.event import Event, TokensDecoded, WorkerLost, WorkerReady
from engine.processor.worker_pool import WorkerPool, open_pool
from engine.worker.loading import MODULES_VARIABLE
from haloctl.calibration import measure_fleet
from haloctl.digests import DigestBook, form_digests
from haloctl.knowledge import profile_store
from haloctl.placement import assemble_fleet, cache_folder
from haloctl.settings import DatabaseSettings, HttpSettings, ModelSettings, Settings, WorkerSettings
from workflows import catalogue
from workflows.workloads.questions import rows
from workflows.workloads.serve import MockApi

Hear = Callable[[Event], None]


def runs(target: Target, folder: Path) -> Figures:
    """Three batches over all six workloads. Raises SystemExit when a row is lost or not as it should be."""
    databases = {name: databases_folder(folder) / f"{name}.duckdb" for name in ("films", "pages", "tpch")}
    with MockApi(databases, latency_scale=LATENCY_SCALE, seed=SEED) as api:
        return trio.run(_carry_out, target, folder, databases, api.url)


async def _carry_out(target: Target, folder: Path, databases: dict[str, Path], api: str) -> Figures:
    each = 1 if target.reference else 8
    files = [catalogue.path(f"workloads/{file}.yaml") for file, _ in WORKLOADS.values()]
    request = request_for(files, _questions(folder, each, api))
    alone, both = (_settings(target, folder, databases, api, cpu=cpu) for cpu in (False, True))
    figures: Figures = {}
    async with open_pool() as pool:
        figures |= _figures("on_gpu", await carry_out(pool, alone, request), each)
        killer = _Killer()
        killed = await carry_out(pool, alone, request, killer)
        figures |= _figures("worker_killed", killed, each) | killer.figures(killed)
        if find_spec("llama_cpp") is None:
            return {**figures, "on_cpu_and_gpu": "left out: llama-cpp-python is not installed"}
        figures["calibrated"] = await _calibrate(pool, both)
        mixed = await carry_out(pool, both, request)
        figures |= _figures("on_cpu_and_gpu", mixed, each)
        for (backend, _digest), calls in sorted(mixed.answered.items()):
            counted = figures.get(f"calls_by_{backend}", 0)
            assert isinstance(counted, int)
            figures[f"calls_by_{backend}"] = counted + calls
    return figures


def _figures(name: str, ran: Ran, each: int) -> Figures:
    """Seconds of a batch. Raises SystemExit unless every row of every workload came out well."""
    expected = each * len(WORKLOADS)
    if ran.report.rows.ok != expected:
        raise SystemExit(f"{name}: {ran.report.rows.ok} of {expected} rows came out well")
    return {f"{name}_rows": ran.report.rows.ok, f"{name}_s": ran.seconds}


class _Killer:
    """Kills the GPU worker's process once, when it has begun to decode."""

    def __init__(self) -> None:
        self._pid = 0
        self._done = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, WorkerReady) and event.worker == "gpu":
            self._pid = event.pid
        if isinstance(event, TokensDecoded) and self._pid and not self._done:
            self._done = True
            os.kill(self._pid, signal.SIGKILL)

    def figures(self, ran: Ran) -> Figures:
        """What was in flight. Raises SystemExit when nothing was, or the worker was never killed."""
        lost = [event for event in ran.events if isinstance(event, WorkerLost)]
        if not lost or not lost[0].in_flight:
            raise SystemExit(f"no worker died with calls in flight: {lost}")
        return {"calls_in_flight_when_killed": lost[0].in_flight, "restarts": len(lost)}


async def _calibrate(pool: WorkerPool, settings: Settings) -> str:
    """Measure all models in both forms, so that they are placed by what they cost; says how many."""
    fleet = assemble_fleet(settings, SIZES["small"], silent)
    await pool.fit(fleet.workers)
    known = form_digests(fleet.files, DigestBook(cache_folder(settings)))
    store = profile_store(cache_folder(settings))
    found = await measure_fleet(fleet, known, store, quick=True, say=silent, lend=pool.lend)
    return ", ".join(f"{form.file.name} on {form.record.device}" for form in found)


def _settings(target: Target, folder: Path, databases: dict[str, Path], api: str, *, cpu: bool) -> Settings:
    """S, M and L on the GPU worker, and in both their forms where a CPU worker is there too."""
    workers = {"gpu": gpu_worker(target, fixed=True, slots=16)}
    if cpu:
        environment = {MODULES_VARIABLE: f"llama_cpp={FIXED}"}
        threads = max(1, len(os.sched_getaffinity(0)) - 4)
        workers["cpu"] = WorkerSettings(threads=threads, slots=16, memory="4GiB", env=environment)
    models = {
        name: ModelSettings(
            gguf=str(gguf_of(folder, name)) if cpu else None,
            exl2=str(folder_of(folder, name)),
            either_form=cpu,
            context_tokens=CONTEXT_TOKENS,
            kv_memory="64MiB" if target.reference else "256MiB",
        )
        for name in SIZES["small"]
    }
    made = settings_for(folder, models, workers)
    return _replaced(made, databases, api)


def _replaced(settings: Settings, databases: dict[str, Path], api: str) -> Settings:
    return Settings(
        models=settings.models,
        workers=settings.workers,
        databases={name: DatabaseSettings(url=f"duckdb:{path}") for name, path in databases.items()},
        http=HttpSettings(allowed_hosts=(api.partition("//")[2],)),
        paths=settings.paths,
    )


def _questions(folder: Path, each: int, api: str) -> Path:
    """One table for all workloads, `each` rows of each; a column says which workflow a row is for."""
    path = folder / "all_workloads.jsonl"
    table = [
        {**row, "id": f"{name}-{row['id']}", "workflow": file, "api": api}
        for name, (file, questions) in WORKLOADS.items()
        for row in rows(questions, each)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in table))
    return path
