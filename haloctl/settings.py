"""What a user may set, as frozen values; `haloctl.config` reads them, `haloctl.compose` acts on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from engine.ir.ids import Json, Record

Count: TypeAlias = Annotated[int, Meta(ge=1)]
Size: TypeAlias = Annotated[str, Meta(pattern=r"^\s*\d+(\.\d+)?\s*([KMGT]i?B?|B)?\s*$")]
"""Bytes as written: "4GiB", "512MiB", "2GB", "1000000"."""
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$")]
BackendName: TypeAlias = Literal["llama_cpp", "exllamav2", "echo"]


class ModelSettings(Record, frozen=True, kw_only=True):
    """`[models.NAME]`: a model by the files that hold it, one for each backend that may run it."""

    gguf: str | None = None
    """Path of a GGUF file, for llama_cpp workers; relative to the settings file."""
    exl2: str | None = None
    """Folder of EXL2 or 16-bit safetensors, for exllamav2 workers; relative to the settings file."""
    backend: BackendName | None = None
    """Only `echo` needs saying: a model without a file, for trying out workflows."""
    context_tokens: Count | None = None
    """Most tokens of one prompt and its answer together; default: what the model file says."""
    slots: Count | None = None
    """Most sequences decoded at once; default: the worker's."""
    sha256: Digest | None = None
    """Digest the file must have; loading another file fails. Of a model with both, that of `gguf`."""
    exl2_sha256: Digest | None = None
    """Digest that `exl2` must have, where there is a `gguf` too."""
    either_form: bool = False
    """Whether one run may use both `gguf` and `exl2`, each where it is measured to be faster. They are two
    quantisations: texts differ by which of them a row met, and each call records that."""
    threads: Count | None = None
    """CPU threads; default: the worker's."""
    kv_memory: Size | None = None
    """Most memory for prefixes and running sequences; default: fitted to the worker."""
    gpu_layers: Annotated[int, Meta(ge=0)] = 0
    """Layers kept on a GPU by llama_cpp."""
    kv_cache: Literal["fp16", "q8", "q6", "q4"] | None = None
    """Form of the cache on exllamav2 workers; the quantised ones take down to a quarter. Default: fp16."""


class WorkerSettings(Record, frozen=True, kw_only=True):
    """`[workers.NAME]`: one process that runs models."""

    backend: BackendName = "llama_cpp"
    """What runs the models: llama_cpp (CPU, GGUF), exllamav2 (GPU, EXL2) or echo (no model)."""
    threads: Count | None = None
    """CPU threads; default: the cores of `cpus`, or an equal share of all cores."""
    memory: Size | None = None
    """Memory for model files and their caches; default: an equal share of half the machine's, of most of its
    GPU's on exllamav2 workers."""
    slots: Count = 16
    """Most sequences decoded at once."""
    cpus: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    """Cores the process is bound to; default: any."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables of the process, e.g. CUDA_VISIBLE_DEVICES."""


class DatabaseSettings(Record, frozen=True, kw_only=True):
    """`[databases.NAME]`: where `kind: sql` operators run."""

    url: Annotated[str, Meta(pattern=r"^((duckdb|sqlite):|postgres(ql)?://|\$\{env:)")]
    """duckdb:file, sqlite:file or postgresql://…; `${env:NAME}` stands for a secret."""
    threads: Count | None = None
    """Threads of one DuckDB statement; default: all cores."""
    memory: Size | None = None
    """Most memory of a DuckDB database; default: 80 % of the machine's."""


class HttpSettings(Record, frozen=True, kw_only=True):
    """`[http]`: where `kind: http` operators may go."""

    allowed_hosts: tuple[str, ...] = ()
    """Hosts, or host:port, that requests may go to; none by default."""
    private_networks: tuple[str, ...] = ()
    """CIDR blocks outside the public internet that allowed hosts may resolve to."""


class PythonSettings(Record, frozen=True, kw_only=True):
    """`[python]`: how `kind: python` operators run."""

    processes: Count = 4
    """Most Python processes at once."""


class RunSettings(Record, frozen=True, kw_only=True):
    """`[run]`: defaults of the `batch` command."""

    window: Count = 4096
    """Queries planned together; bounds memory."""
    grace_s: Annotated[float, Meta(ge=0)] = 10.0
    """Seconds that running work may take to finish after the first Ctrl-C."""
    heartbeat_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds of silence after which a worker counts as hung and is killed."""
    total_s: Annotated[float, Meta(gt=0)] | None = None
    """Seconds after which a run stops by itself, resumable."""
    session_idle_s: Annotated[float, Meta(gt=0)] = 900.0
    """Seconds that a session opened by `haloctl run` keeps models loaded while nothing is asked of it."""


class PathSettings(Record, frozen=True, kw_only=True):
    """`[paths]`: where things are kept."""

    runs: str | None = None
    """Journals of runs; default: runs/ in the user's data folder."""
    cache: str | None = None
    """Generated models and data, profiles and the result cache; default: the user's cache folder."""


class TuiSettings(Record, frozen=True, kw_only=True):
    """`[tui]`: the terminal interface."""

    theme: str = "dark"
    """dark, light, or the name of a theme that Textual ships."""
    keys: dict[str, str] = field(default_factory=dict)
    """Own keys by binding, e.g. `"run.pause" = "p,f5"`."""


class Settings(Record, frozen=True, kw_only=True):
    """Everything a user may set, defaults filled in by `haloctl.config.load_settings`."""

    models: dict[str, ModelSettings] = field(default_factory=dict)
    workers: dict[str, WorkerSettings] = field(default_factory=dict)
    databases: dict[str, DatabaseSettings] = field(default_factory=dict)
    http: HttpSettings = HttpSettings()
    python: PythonSettings = PythonSettings()
    run: RunSettings = RunSettings()
    paths: PathSettings = PathSettings()
    tui: TuiSettings = TuiSettings()


_UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def size_bytes(size: str) -> int:
    """Bytes of a `Size`: GiB is 2³⁰, GB (and G) is 10⁹."""
    digits = size.strip().rstrip("KMGTiB ")
    unit = size.strip()[len(digits) :].strip()
    factor = _BINARY[unit[0]] if "i" in unit else _UNITS[unit.removesuffix("B") or "B"]
    return int(float(digits) * factor)


def sections() -> dict[str, tuple[type[Record], bool]]:
    """Section → (its record, whether it holds named entries), in the order of the reference page."""
    return {
        "models": (ModelSettings, True),
        "workers": (WorkerSettings, True),
        "databases": (DatabaseSettings, True),
        "http": (HttpSettings, False),
        "python": (PythonSettings, False),
        "run": (RunSettings, False),
        "paths": (PathSettings, False),
        "tui": (TuiSettings, False),
    }


def tool_settings(settings: Settings, names: Iterable[str]) -> dict[str, Json]:
    """The settings called `names`: those a kind of tool declares in `ToolKind.settings`."""
    offered: dict[str, Json] = {
        "databases": {name: _database(database) for name, database in settings.databases.items()},
        "allowed_hosts": list(settings.http.allowed_hosts),
        "private_networks": list(settings.http.private_networks),
        "processes": settings.python.processes,
    }
    return {name: offered[name] for name in names}


def _database(database: DatabaseSettings) -> dict[str, Json]:
    memory = None if database.memory is None else size_bytes(database.memory)
    return {"url": database.url, "threads": database.threads, "memory_bytes": memory}
