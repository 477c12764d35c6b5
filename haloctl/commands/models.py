"""`haloctl models`: which models there are, and who can run them."""

from __future__ import annotations

from pathlib import Path

from engine.ir.ids import Json
from haloctl import embedded, render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile
from haloctl.placement import known_models
from haloctl.settings import Settings


def models(*, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """List configured and embedded models with their files and workers."""
    settings = load_settings(config).settings
    found = [_facts(settings, name) for name in known_models(settings)]
    if as_json:
        render.result_json(found)
        return 0
    render.result_table(
        ("model", "backend", "size", "workers", "file"),
        [
            (m["model"], m["backend"], _size(m["bytes"]), ", ".join(m["workers"]) or None, _file(m["path"]))
            for m in found
        ],
        whole=("model",),
    )
    return 0


def _file(path: str | None) -> str | None:
    return None if path is None else render.place(path)


def _facts(settings: Settings, name: str) -> dict[str, Json]:
    model = settings.models.get(name)
    if model is None:
        path = embedded.model_path(name)
        backends, files = ["llama_cpp"], [str(path)]
    elif model.backend == "echo":
        backends, files = ["echo"], []
    else:
        offered = (("exllamav2", model.exl2), ("llama_cpp", model.gguf))
        backends = [backend for backend, file in offered if file]
        files = [file for _, file in offered if file]
    workers = [n for n, worker in settings.workers.items() if worker.backend in backends]
    return {
        "model": name,
        "backend": ", ".join(backends),
        "path": ", ".join(files) or None,
        "bytes": sum(_bytes(Path(file)) for file in files) or None,
        "workers": workers or (["(automatic)"] if not settings.workers else []),
        "embedded": model is None,
    }


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0


def _size(size: int | None) -> str | None:
    return None if size is None else render.bytes_text(size)
