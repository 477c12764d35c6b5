"""llama.cpp backends that a test opens and that are closed after it."""

from __future__ import annotations

import pytest

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile, ModelOptions


@pytest.fixture
def open_llama():
    """`open_llama(path, **options)` is a backend on the model at a path, with one thread."""
    opened = []

    def open_backend(path, **options):
        chosen = ModelOptions(threads=1, **options)
        file = ModelFile(name=ModelName("m"), backend="llama_cpp", path=str(path), options=chosen)
        opened.append(load_backend(file, 1 << 26))
        return opened[-1]

    yield open_backend
    for backend in opened:
        backend.close()
