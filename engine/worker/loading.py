"""How a worker gets a backend: the registry, or for tests a module named in the environment.

`HALOCTL_BACKEND_MODULES="name=package.module,…"` makes `name` a backend that `package.module.load_backend`
loads. It exists for tests of crashes and hangs; nothing else sets it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import TypeAlias

from engine.backends.registry import backend_build, load_backend, prepare_backend
from engine.contracts import Backend
from engine.errors import ConfigError
from engine.ir.request import ModelFile

Loader: TypeAlias = Callable[[ModelFile, int], Backend]
"""(file, bytes it may take for weights and cache) → backend. Raises BackendError."""

Preparer: TypeAlias = Callable[[str], None]
"""Compiles what the backend of that name needs, before its first load. Raises ConfigError."""

MODULES_VARIABLE = "HALOCTL_BACKEND_MODULES"


def find_loader(environment: Mapping[str, str] = os.environ) -> Loader:
    """The registry's loader, extended by the modules the environment names.

    Raises ConfigError when the variable is malformed or a module cannot be imported.
    """
    extra = {name: _import_loader(module) for name, module in _entries(environment)}
    if not extra:
        return load_backend

    def load(file: ModelFile, memory_bytes: int) -> Backend:
        return extra.get(file.backend, load_backend)(file, memory_bytes)

    return load


def find_preparer(environment: Mapping[str, str] = os.environ) -> Preparer:
    """The registry's; of a module that the environment names, its own `prepare_backend` if it has one."""
    extra = dict(_entries(environment))

    def prepare(backend: str) -> None:
        if backend not in extra:
            prepare_backend(backend)
        elif (own := getattr(importlib.import_module(extra[backend]), "prepare_backend", None)) is not None:
            own(backend)

    return prepare


def describe_build(backend: str, environment: Mapping[str, str] = os.environ) -> str:
    """Version of a backend's runtime, for the handshake. Imports it, so that no load has to."""
    module = dict(_entries(environment)).get(backend)
    if module is None:
        return backend_build(backend)
    own = getattr(importlib.import_module(module), "backend_build", None)
    return module if own is None else str(own(backend))


def _entries(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    entries = []
    for part in environment.get(MODULES_VARIABLE, "").split(","):
        if not part.strip():
            continue
        name, equals, module = part.strip().partition("=")
        if not (name and equals and module):
            raise ConfigError(
                f"{MODULES_VARIABLE}: {part!r} is not name=module", fix="write name=package.module"
            )
        entries.append((name, module))
    return tuple(entries)


def _import_loader(module: str) -> Loader:
    try:
        loader: Loader = importlib.import_module(module).load_backend
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{MODULES_VARIABLE}: {module}: {error}", fix="name a module with load_backend"
        ) from error
    return loader
