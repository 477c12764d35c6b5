"""From settings to worker processes and model files: which backend runs which model, on what share.

Whatever the settings leave open is chosen here and said through `say`, one line a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import ConfigError
from engine.ir.ids import Json, ModelName, WorkerId
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.processor.workers import WorkerSpec
from haloctl import embedded, machine
from haloctl.gpu_device import Gpu, first_visible
from haloctl.render import bytes_text
from haloctl.settings import ModelSettings, Settings, WorkerSettings, size_bytes
from haloctl.suggest import closest

Say = Callable[[str], None]
DEFAULT_RUN = RunOptions()


@dataclass(frozen=True)
class Fleet:
    """The workers of a run and what each model they run is loaded from.

    `others` holds, of models whose two forms may both be used, the second form.
    """

    workers: tuple[WorkerSpec, ...]
    settings: Mapping[WorkerId, WorkerSettings]
    models: Mapping[ModelName, ModelFile]
    others: Mapping[ModelName, ModelFile] = field(default_factory=dict)

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """Every form of every model."""
        return (*self.models.values(), *self.others.values())

    def form(self, model: ModelName, backend: str) -> ModelFile | None:
        """What workers with this backend load the model from; None when they cannot run it."""
        forms = (self.models[model], self.others.get(model))
        return next((file for file in forms if file is not None and file.backend == backend), None)

    def able(self, model: ModelName) -> tuple[WorkerSpec, ...]:
        """Workers whose backend can run the model."""
        return tuple(w for w in self.workers if self.form(model, w.backend) is not None)

    def only(self, models: Container[ModelName]) -> Fleet:
        """The same workers with these models alone."""
        kept = {name: file for name, file in self.models.items() if name in models}
        others = {name: file for name, file in self.others.items() if name in models}
        return Fleet(self.workers, self.settings, kept, others)


def known_models(settings: Settings) -> tuple[str, ...]:
    """Names a workflow may use: configured ones, then embedded ones."""
    return tuple(dict.fromkeys((*settings.models, *embedded.MODELS)))


def assemble_fleet(
    settings: Settings, models: Iterable[str], say: Say, run: RunOptions = DEFAULT_RUN
) -> Fleet:
    """Workers for these models, and the files to load; `run` says how to load.

    Raises ConfigError for an unknown model, one without a file or a pin, or one that no worker runs.
    """
    names = tuple(dict.fromkeys(models))
    offered = {name: _offers(settings, name) for name in names}
    workers = dict(settings.workers) or _default_workers(settings, offered)
    files: dict[ModelName, ModelFile] = {}
    others: dict[ModelName, ModelFile] = {}
    for name in names:
        backends = _choose_backends(name, offered[name], workers)
        if len(backends) > 1 and not _may_mix(settings.models[name], name, backends[0], run, say):
            backends = backends[:1]
        for into, backend in zip((files, others), backends, strict=False):
            into[ModelName(name)] = _file(settings, name, backend, workers, run)
    chosen = {file.backend for file in (*files.values(), *others.values())}
    used = {name: worker for name, worker in workers.items() if worker.backend in chosen}
    specs = _specs(used, announce=None if settings.workers else say)
    return Fleet(specs, {WorkerId(name): worker for name, worker in used.items()}, files, others)


def _file(
    settings: Settings,
    name: str,
    backend: str,
    workers: Mapping[str, WorkerSettings],
    run: RunOptions,
) -> ModelFile:
    model = settings.models.get(name, ModelSettings())
    return ModelFile(
        name=ModelName(name),
        backend=backend,
        path=_path(settings, name, backend),
        sha256=_pinned(name, model, backend),
        options=_model_options(model, backend, workers, run),
    )


def _may_mix(model: ModelSettings, name: str, first: str, run: RunOptions, say: Say) -> bool:
    """Whether one run may use both files of a model: two quantisations give two texts."""
    if not model.either_form:
        say(f"model {name}: of its two files, {first}'s is used (either_form in [models.{name}] allows both)")
    elif run.reproducible:
        say(f"model {name}: a reproducible run uses one of its two files, {first}'s")
    return model.either_form and not run.reproducible


def _pinned(name: str, model: ModelSettings, backend: str) -> str | None:
    """The digest the settings give for the form; of two forms each has a setting of its own."""
    pin = model.sha256
    if backend == "exllamav2":
        if model.gguf is not None and pin is not None and model.exl2_sha256 is None:
            raise ConfigError(
                f"model {name!r}: sha256 pins its gguf file, and nothing pins its exl2 folder",
                fix=f"set exl2_sha256 in [models.{name}] too",
            )
        pin = model.exl2_sha256 or pin
    return pin.lower() if pin else None


def _offers(settings: Settings, name: str) -> tuple[str, ...]:
    """Backends that could run a model, best first."""
    model = settings.models.get(name)
    if model is None:
        if name in embedded.MODELS:
            return ("llama_cpp",)
        raise ConfigError(f"model {name!r} is not configured", fix=closest(name, known_models(settings)))
    if model.backend == "echo":
        return ("echo",)
    found = forms_of(settings, name)
    if not found:
        raise ConfigError(f"model {name!r} has no file", fix=f"set gguf or exl2 in [models.{name}]")
    return found


def forms_of(settings: Settings, name: str) -> tuple[str, ...]:
    """Backends for which the settings name a file of the model, best first: two, where it has two forms."""
    model = settings.models.get(name, ModelSettings())
    offers = (("exllamav2", model.exl2), ("llama_cpp", model.gguf))
    return tuple(backend for backend, path in offers if path is not None)


def _default_workers(settings: Settings, offered: Mapping[str, tuple[str, ...]]) -> dict[str, WorkerSettings]:
    """One worker for each backend needed; the GPU for either form only where there is one."""
    backends = dict.fromkeys(offers[-1] for offers in offered.values())
    either = any(name in settings.models and settings.models[name].either_form for name in offered)
    if either and first_visible() is not None:
        backends = dict.fromkeys(backend for offers in offered.values() for backend in reversed(offers))
    names = {"llama_cpp": "cpu", "exllamav2": "gpu", "echo": "echo"}
    return {names[backend]: WorkerSettings(backend=backend) for backend in backends}  # type: ignore[arg-type]


def _choose_backends(
    name: str, offers: tuple[str, ...], workers: Mapping[str, WorkerSettings]
) -> tuple[str, ...]:
    """Those of the offers that a worker has, best first; at least one."""
    there = {worker.backend for worker in workers.values()}
    found = tuple(backend for backend in offers if backend in there)
    if found:
        return found
    kinds = ", ".join(sorted(there))
    raise ConfigError(
        f"no worker runs model {name!r}: it needs {' or '.join(offers)}, and workers are {kinds}",
        fix=f'add a worker: [workers.{offers[-1]}] with backend = "{offers[-1]}"',
    )


def _path(settings: Settings, name: str, backend: str) -> str:
    model = settings.models.get(name)
    if model is None:
        return str(embedded.model_path(name))
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


def _specs(workers: Mapping[str, WorkerSettings], announce: Say | None) -> tuple[WorkerSpec, ...]:
    """Equal shares of cores and of half the memory, for workers that do not name theirs.

    Workers on a GPU compute there: they take no core from the others.
    """
    on_cpu = sum(worker.backend != "exllamav2" for worker in workers.values())
    share_cores = max(1, machine.cores() // max(1, on_cpu))
    specs = []
    for name, worker in workers.items():
        memory = size_bytes(worker.memory) if worker.memory else _memory_share(worker, workers)
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


_GPU_SHARE = 0.9
"""Of a GPU's memory, what its workers take together; the rest is the driver's and the kernels'."""


def _memory_share(worker: WorkerSettings, workers: Mapping[str, WorkerSettings]) -> int:
    """An equal share: of its GPU for a GPU worker, of half the machine's memory for the others."""
    gpu = _gpu_of(worker)
    sharing = sum(_gpu_of(other) == gpu for other in workers.values())
    if gpu is not None:
        return int(_GPU_SHARE * gpu.memory_bytes) // sharing
    return machine.memory_bytes() // 2 // sharing


def _gpu_of(worker: WorkerSettings) -> Gpu | None:
    return first_visible(worker.env) if worker.backend == "exllamav2" else None


def cache_folder(settings: Settings) -> Path:
    """Where generated and measured things are kept."""
    assert settings.paths.cache is not None  # filled in by load_settings
    return Path(settings.paths.cache)
