"""What haloctl brings along: a small trained model in the package, and a database made on first use.

The name of the database file carries a digest of its generator: no release meets the data of another.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path

from engine.errors import ConfigError

Say = Callable[[str], None]

MODELS = ("haloctl-mini",)
"""Names of the embedded models; what they can do is in docs/model-card.md."""
DATABASE = "tpch"
"""Name of the embedded database."""


def model_path(name: str) -> Path:
    """Where an embedded model's file lies: beside the code, wherever that is installed.

    Raises ConfigError when the file is missing, which takes a broken installation.
    """
    path = Path(str(files("workflows.mini") / f"{name}.gguf"))
    if not path.is_file():
        raise ConfigError(f"embedded model {name!r} is not there: {path}", fix="install haloctl again")
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
