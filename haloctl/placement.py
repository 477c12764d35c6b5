"""From settings to worker processes and model files: which backend runs which model, on what share.

Whatever the settings leave open is chosen here and said through `say`, one line a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigError
from engine.ir.ids import Json, ModelName, WorkerId
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.processor.workers import WorkerSpec
from haloctl import embedded, machine
from haloctl.render import bytes_text
from haloctl.settings import ModelSettings, Settings, WorkerSettings, size_bytes
from haloctl.suggest import closest

Say = Callable[[str], None]
DEFAULT_RUN = RunOptions()


@dataclass(frozen=True)
class Fleet:
    """The workers of a run and what each model they run is loaded from."""

    workers: tuple[WorkerSpec, ...]
    settings: Mapping[WorkerId, WorkerSettings]
    models: Mapping[ModelName, ModelFile]

    def able(self, model: ModelName) -> tuple[WorkerSpec, ...]:
        """Workers whose backend can run the model."""
        return tuple(worker for worker in self.workers if worker.backend == self.models[model].backend)

    def only(self, models: Container[ModelName]) -> Fleet:
        """The same workers with these models alone."""
        kept = {name: file for name, file in self.models.items() if name in models}
        return Fleet(self.workers, self.settings, kept)


def known_models(settings: Settings) -> tuple[str, ...]:
    """Names a workflow may use: configured ones, then embedded ones."""
    return tuple(dict.fromkeys((*settings.models, *embedded.MODELS)))


def assemble_fleet(
    settings: Settings, models: Iterable[str], say: Say, run: RunOptions = DEFAULT_RUN
) -> Fleet:
    """Workers for these models, and the files to load, embedded ones built now; `run` says how to load.

    Raises ConfigError for an unknown model, one without a file, or one that no worker runs.
    """
    names = tuple(dict.fromkeys(models))
    offered = {name: _offers(settings, name) for name in names}
    workers = dict(settings.workers) or _default_workers(offered)
    files: dict[ModelName, ModelFile] = {}
    for name in names:
        backend = _choose_backend(name, offered[name], workers)
        path = _path(settings, name, backend, say)
        options = _model_options(settings.models.get(name, ModelSettings()), backend, workers, run)
        pinned = settings.models[name].sha256 if name in settings.models else None
        files[ModelName(name)] = ModelFile(
            name=ModelName(name),
            backend=backend,
            path=path,
            sha256=pinned.lower() if pinned else None,
            options=options,
        )
    used = {name: worker for name, worker in workers.items() if _runs_any(worker, files)}
    specs = _specs(used, announce=None if settings.workers else say)
    return Fleet(specs, {WorkerId(name): worker for name, worker in used.items()}, files)


def _offers(settings: Settings, name: str) -> tuple[str, ...]:
    """Backends that could run a model, best first."""
    model = settings.models.get(name)
    if model is None:
        if name in embedded.MODELS:
            return ("llama_cpp",)
        raise ConfigError(f"model {name!r} is not configured", fix=closest(name, known_models(settings)))
    if model.backend == "echo":
        return ("echo",)
    offers = (("exllamav2", model.exl2), ("llama_cpp", model.gguf))
    found = tuple(backend for backend, path in offers if path is not None)
    if not found:
        raise ConfigError(f"model {name!r} has no file", fix=f"set gguf or exl2 in [models.{name}]")
    return found


def _default_workers(offered: Mapping[str, tuple[str, ...]]) -> dict[str, WorkerSettings]:
    """One worker for each backend needed."""
    backends = dict.fromkeys(offers[-1] for offers in offered.values())
    names = {"llama_cpp": "cpu", "exllamav2": "gpu", "echo": "echo"}
    return {names[backend]: WorkerSettings(backend=backend) for backend in backends}  # type: ignore[arg-type]


def _choose_backend(name: str, offers: tuple[str, ...], workers: Mapping[str, WorkerSettings]) -> str:
    for backend in offers:
        if any(worker.backend == backend for worker in workers.values()):
            return backend
    kinds = sorted({worker.backend for worker in workers.values()})
    raise ConfigError(
        f"no worker runs model {name!r}: it needs {' or '.join(offers)}, and workers are {', '.join(kinds)}",
        fix=f'add a worker: [workers.{offers[-1]}] with backend = "{offers[-1]}"',
    )


def _path(settings: Settings, name: str, backend: str, say: Say) -> str:
    model = settings.models.get(name)
    if model is None:
        return str(embedded.ensure_model(name, cache_folder(settings), say))
    if backend == "echo":
        return ""
    path = model.exl2 if backend == "exllamav2" else model.gguf
    assert path is not None  # _offers saw it
    if not Path(path).exists():
        raise ConfigError(f"model {name!r}: there is no {path}", fix=f"correct the path in [models.{name}]")
    return path


def _model_options(
    model: ModelSettings, backend: str, workers: Mapping[str, WorkerSettings], run: RunOptions
) -> ModelOptions:
    slots = min(worker.slots for worker in workers.values() if worker.backend == backend)
    switches = {"prefix_sharing": run.mechanisms.prefix_sharing, "prefix_order": run.mechanisms.prefix_order}
    return ModelOptions(
        context_tokens=model.context_tokens,
        slots=model.slots or slots,
        threads=model.threads,
        kv_budget_bytes=size_bytes(model.kv_memory) if model.kv_memory else None,
        gpu_layers=model.gpu_layers,
        reproducible=run.reproducible,
        # Only what is off or named: options that say the same name the same measurements.
        extra={name: on for name, on in switches.items() if not on} | _cache_form(model, backend),
    )


def _cache_form(model: ModelSettings, backend: str) -> dict[str, Json]:
    chosen = model.kv_cache if backend == "exllamav2" else None
    return {} if chosen is None else {"kv_cache": chosen}


def _runs_any(worker: WorkerSettings, files: Mapping[ModelName, ModelFile]) -> bool:
    return any(file.backend == worker.backend for file in files.values())


def _specs(workers: Mapping[str, WorkerSettings], announce: Say | None) -> tuple[WorkerSpec, ...]:
    """Equal shares of cores and of half the memory, for workers that do not name theirs."""
    share_bytes = machine.memory_bytes() // 2 // max(1, len(workers))
    share_cores = max(1, machine.cores() // max(1, len(workers)))
    specs = []
    for name, worker in workers.items():
        memory = size_bytes(worker.memory) if worker.memory else share_bytes
        threads = worker.threads or len(worker.cpus) or share_cores
        specs.append(
            WorkerSpec(
                id=WorkerId(name),
                backend=worker.backend,
                memory_bytes=memory,
                host_store_bytes=min(256 << 20, memory // 8),
                threads=threads,
                cpus=worker.cpus,
                env=worker.env,
            )
        )
        if announce is not None:
            announce(
                f"worker {name}: {worker.backend}, {threads} threads, {worker.slots} sequences at once,"
                f" {bytes_text(memory)} ([workers.{name}] changes it)"
            )
    return tuple(specs)


def cache_folder(settings: Settings) -> Path:
    """Where generated and measured things are kept."""
    assert settings.paths.cache is not None  # filled in by load_settings
    return Path(settings.paths.cache)
