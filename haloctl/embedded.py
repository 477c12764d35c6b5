"""What haloctl brings along: two small models and a database, made on first use into the cache folder.

File names carry a digest of the generator, so that a new release never meets an old one's files.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Literal

Say = Callable[[str], None]

MODELS: dict[str, Literal["s", "l"]] = {"haloctl-mini-s": "s", "haloctl-mini-l": "l"}
"""Embedded model → its size."""
DATABASE = "tpch"
"""Name of the embedded database."""


def model_path(name: str, cache: Path) -> Path:
    """Where the embedded model lies once it was built."""
    generator = _digest("workflows.mini", ("build.py", "model_file.py", "vocabulary.py", "tokenizer.json"))
    return cache / "models" / f"{name}-{generator}.gguf"


def ensure_model(name: str, cache: Path, say: Say) -> Path:
    """Path of an embedded model, built now if it is not there. Raises OSError when it cannot be written."""
    path = model_path(name, cache)
    if not path.exists():
        say(f"building embedded model {name} into {path} (once)")
        from workflows.mini.build import build_model

        build_model(path, size=MODELS[name])
    return path


def database_path(cache: Path) -> Path:
    """Where the embedded database lies once it was generated."""
    return cache / "data" / f"tpch-{_digest('workflows.tpch', ('data.py',))}.duckdb"


def ensure_database(cache: Path, say: Say) -> Path:
    """Path of the TPC-H database, generated now if it is not there."""
    path = database_path(cache)
    if not path.exists():
        say(f"generating TPC-H data into {path} (once)")
        from workflows.tpch.data import build_database

        build_database(path)
    return path


def _digest(package: str, names: tuple[str, ...]) -> str:
    digest = blake2b(digest_size=4)
    for name in names:
        digest.update((files(package) / name).read_bytes())
    return digest.hexdigest()
