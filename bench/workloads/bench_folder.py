"""The folder a benchmark works in: model files, databases, settings for each fleet, profiles, call logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.workloads.matrix import WORKLOADS, Cell, Fleet, Memory
from bench.workloads.models import CONTEXT_TOKENS, SIZES, Shapes, build_models, kv_bytes
from bench.workloads.one_batch import write_table
from engine.testing.fixed_answers_calls import CALLS_VARIABLE
from engine.worker.loading import MODULES_VARIABLE
from haloctl.config import load_settings
from haloctl.knowledge import FILE_NAME
from haloctl.settings import (
    DatabaseSettings,
    HttpSettings,
    ModelSettings,
    PathSettings,
    Settings,
    WorkerSettings,
)
from workflows.workloads.folder import build_databases
from workflows.workloads.questions import rows

SLOTS = 16
THREADS = 1
"""Threads of a worker. Two meet at every operation, which costs models this small more than it brings: S, M
and L then decode at one rate.
"""
SLACK_BYTES = 1 << 20


@dataclass(frozen=True)
class BenchFolder:
    """What all cells share. `models` and `databases` are files; `threads` are those of a worker."""

    folder: Path
    shapes: Shapes
    models: Mapping[str, Path]
    databases: Mapping[str, Path]
    threads: int = THREADS

    @classmethod
    def at(cls, folder: Path, threads: int = THREADS, shapes: Shapes = SIZES["small"]) -> BenchFolder:
        """Build what is missing in `folder`."""
        models = build_models(folder / "models", shapes)
        return cls(folder, shapes, models, build_databases(folder / "data"), threads)

    def settings(self, fleet: Fleet, memory: Memory, api: str = "", calls: Path | None = None) -> Settings:
        """Settings of a fleet; `api` is an address calls may go to, `calls` a folder for the log of calls."""
        environment = {MODULES_VARIABLE: "llama_cpp=engine.testing.fixed_answers"}
        if calls is not None:
            environment[CALLS_VARIABLE] = str(calls)
        worker = WorkerSettings(
            threads=self.threads, slots=SLOTS, memory=f"{self.memory_bytes(memory)}B", env=environment
        )
        models = {
            name: ModelSettings(
                gguf=str(path), kv_memory=f"{kv_bytes(self.shapes[name])}B", context_tokens=CONTEXT_TOKENS
            )
            for name, path in self.models.items()
        }
        # What the engine leaves open is taken from its own defaults, never from the user's file.
        defaults = load_settings(self._empty(), environ={}).settings
        return msgspec.structs.replace(
            defaults,
            models=models,
            workers={f"w{number}": worker for number in range(fleet.workers)},
            databases={n: DatabaseSettings(url=f"duckdb:{path}") for n, path in self.databases.items()},
            http=HttpSettings(allowed_hosts=(api.partition("//")[2],)),
            paths=PathSettings(runs=str(self.folder / "runs"), cache=str(self.fleet_folder(fleet))),
        )

    def memory_bytes(self, memory: Memory) -> int:
        """Of a worker: for all models side by side, or for the largest alone."""
        sizes = [path.stat().st_size + kv_bytes(self.shapes[name]) for name, path in self.models.items()]
        return (sum(sizes) if memory == "all" else max(sizes)) + SLACK_BYTES

    def fleet_folder(self, fleet: Fleet) -> Path:
        """Where the fleet's profiles are kept."""
        return self.folder / f"fleet-{fleet.workload}-{fleet.workers}"

    def profiles(self, fleet: Fleet) -> Path:
        """The file of the fleet's profiles."""
        return self.fleet_folder(fleet) / FILE_NAME

    def questions(self, cell: Cell, api: str) -> Path:
        """The cell's table, with the API's address in it."""
        path = self.folder / "questions.csv"
        table = [{**row, "api": api} for row in rows(WORKLOADS[cell.workload][1], cell.queries)]
        return write_table(path, table)

    def calls_folder(self, cell: Cell, *, fresh: bool) -> Path:
        """The folder of the cell's log of calls; `fresh`: emptied."""
        path = self.folder / "calls" / cell.name
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _empty(self) -> Path:
        path = self.folder / "empty.toml"
        path.touch()
        return path


def default_folder(size: str = "small") -> Path:
    """Where benchmarks keep what they build for models of a size, unless told otherwise."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "haloctl" / ("bench-workloads" if size == "small" else f"bench-workloads-{size}")
