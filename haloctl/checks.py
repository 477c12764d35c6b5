"""What `haloctl doctor` looks at, one function a subject; none raises."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import trio

from engine.backends.gguf_file import is_gguf, validate_gguf
from engine.backends.paged.model_folder import read_folder
from engine.backends.registry import backend_build
from engine.contracts import Cancellation
from engine.errors import HaloError
from engine.ir.ids import WorkerId
from engine.processor.workers import WorkerSpec, open_worker
from haloctl import __version__, machine
from haloctl.checks_gpu import gpu_findings
from haloctl.config import Loaded
from haloctl.findings import Finding
from haloctl.placement import cache_folder, known_models
from haloctl.render import bytes_text
from haloctl.run_folder import runs_folder
from haloctl.settings import Settings, size_bytes, tool_settings
from tools import REGISTRY


def examine(loaded: Loaded) -> Iterator[Finding]:
    """All findings, in the order a person would look."""
    settings = loaded.settings
    yield _installation()
    yield Finding(subject="machine", verdict="ok", words=_machine())
    yield Finding(subject="settings", verdict="ok", words=str(loaded.file or "none: built-in defaults"))
    yield _folder("runs", runs_folder(settings))
    yield _folder("cache", cache_folder(settings))
    yield from _backends(settings)
    yield _worker()
    yield from model_findings(settings)
    yield from _memory(settings)
    yield from _databases(settings)
    yield _hosts(settings)


def _installation() -> Finding:
    place = Path(__file__).resolve().parent
    words = f"haloctl {__version__} in {place}, Python {platform.python_version()} ({sys.executable})"
    return Finding(subject="installation", verdict="ok", words=words)


def _machine() -> str:
    return f"{machine.cores()} cores, {bytes_text(machine.memory_bytes())} of memory, {platform.platform()}"


def _folder(subject: str, folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = f"make it writable, or set {subject} in [paths]"
        return Finding(subject=subject, verdict="fault", words=f"{folder}: {error.strerror}", fix=fix)
    free = os.statvfs(folder)
    words = f"{folder}, {bytes_text(free.f_bavail * free.f_frsize)} free"
    return Finding(subject=subject, verdict="ok", words=words)


def _backends(settings: Settings) -> Iterator[Finding]:
    wanted = {worker.backend for worker in settings.workers.values()} or {"llama_cpp"}
    yield from gpu_findings(settings)
    for name in sorted(wanted - {"exllamav2"}):
        yield _attempt(f"backend {name}", partial(backend_build, name), "reinstall haloctl")


def _worker() -> Finding:
    """A worker process starts and shakes hands: the part of an installation that breaks first."""

    async def shake_hands() -> str:
        spec = WorkerSpec(id=WorkerId("doctor"), backend="echo", memory_bytes=1 << 20, start_s=20.0)
        async with open_worker(spec) as port:
            return f"process {port.pid} answered"

    return _attempt("worker", lambda: trio.run(shake_hands), "see the lines above; reinstall haloctl")


def model_findings(settings: Settings) -> Iterator[Finding]:
    """A line for each model file and folder of the settings."""
    for name in known_models(settings):
        model = settings.models.get(name)
        if model is not None and model.gguf is not None:
            path = Path(model.gguf)
            yield _attempt(f"model {name}", partial(_gguf, path), f"correct gguf in [models.{name}]")
        if model is not None and model.exl2 is not None:
            folder = partial(_model_folder, model.exl2)
            yield _attempt(f"model {name}", folder, f"correct exl2 in [models.{name}]")


def _gguf(path: Path) -> str:
    if not path.is_file():
        raise HaloError(f"there is no {path}")
    if not is_gguf(path):
        raise HaloError(f"{path} is not a GGUF file")
    summary = validate_gguf(path)
    return f"{path}, {bytes_text(path.stat().st_size)}, context {summary.context_tokens}"


def _model_folder(path: str) -> str:
    folder = read_folder(path)
    kind = "EXL2" if folder.config.quantised else "16-bit"
    return f"{path}, {kind}, {bytes_text(folder.weight_bytes)}, context {folder.config.context_tokens}"


def _memory(settings: Settings) -> Iterator[Finding]:
    asked = sum(size_bytes(worker.memory) for worker in settings.workers.values() if worker.memory)
    if asked > machine.memory_bytes():
        yield Finding(
            subject="memory",
            verdict="warning",
            words=f"workers ask for {bytes_text(asked)} of {bytes_text(machine.memory_bytes())}",
            fix="lower memory in [workers.NAME]",
        )


def _databases(settings: Settings) -> Iterator[Finding]:
    kind = REGISTRY["sql"]
    for name in settings.databases:

        def ask(name: str = name) -> str:
            tool = kind.open(tool_settings(settings, kind.settings))
            try:
                query = {"database": name, "query": {"text": "SELECT 1", "params": []}}
                tool.call(query, timeout_s=10.0, cancellation=Cancellation())
            finally:
                tool.close()
            return "answers"

        yield _attempt(f"database {name}", ask, f"correct url in [databases.{name}]")


def _hosts(settings: Settings) -> Finding:
    hosts = ", ".join(settings.http.allowed_hosts)
    words = hosts or "none allowed: http operators will be denied ([http] allowed_hosts)"
    return Finding(subject="http hosts", verdict="ok", words=words)


def _attempt(subject: str, action: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(subject=subject, verdict="ok", words=action())
    except HaloError as error:
        return Finding(subject=subject, verdict="fault", words=error.message, fix=error.fix or fix)
    except (ImportError, OSError) as error:
        return Finding(subject=subject, verdict="fault", words=str(error), fix=fix)
