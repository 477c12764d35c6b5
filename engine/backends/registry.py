"""Backends by name, imported when first asked for: a coordinator never loads a model library."""

from __future__ import annotations

from collections.abc import Callable

from engine.contracts import Backend
from engine.errors import ConfigError
from engine.ir.request import ModelFile

BACKENDS = ("llama_cpp", "exllamav2", "echo")
"""Names accepted in `ModelFile.backend`."""


def load_backend(file: ModelFile, memory_bytes: int) -> Backend:
    """Load a model into this process. `memory_bytes` bounds weights plus key-value cells; 0 means unknown.

    Raises ModelFileError, or ConfigError for an unknown backend.
    """
    match file.backend:
        case "echo":
            from engine.backends.echo import open_echo

            return open_echo(file, memory_bytes)
        case "llama_cpp":
            from engine.backends.llama_cpp import open_llama

            return open_llama(file, memory_bytes)
        case "exllamav2":
            from engine.backends.exllamav2 import open_exllamav2

            return open_exllamav2(file, memory_bytes)
        case name:
            raise _unknown(name)


def prepare_backend(name: str) -> None:
    """Compile what a backend needs, where this machine has not done so before; for most there is nothing.

    May take many minutes. Raises ConfigError when it fails, or the machine lacks what it takes.
    """
    if name == "exllamav2":
        from engine.backends.exllamav2 import compile_extension

        compile_extension()


def backend_build(name: str) -> str:
    """Library and version behind a backend, for provenance. Imports the library."""
    match name:
        case "echo":
            from engine.backends.echo import BUILD

            return BUILD
        case "llama_cpp":
            from engine.backends.llama_cpp import build

            return build()
        case "exllamav2":
            from engine.backends.exllamav2 import build as build_of_exllamav2

            return build_of_exllamav2()
        case _:
            raise _unknown(name)


def count_tokens(file: ModelFile) -> Callable[[str], int]:
    """Counter of a text's tokens as data; loads the vocabulary only, never weights.

    Raises ModelFileError, or ConfigError for an unknown backend.
    """
    match file.backend:
        case "echo":
            from engine.backends.echo import tokenize

            return lambda text: len(tokenize(text))
        case "llama_cpp":
            from engine.backends.llama_cpp import open_vocabulary

            vocabulary = open_vocabulary(file)
            return lambda text: len(vocabulary.tokenize(text))
        case "exllamav2":
            from engine.backends.paged.vocabulary import open_vocabulary as open_folder

            folder = open_folder(file)
            return lambda text: len(folder.tokenize(text))
        case name:
            raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"unknown backend {name!r}", fix=f"use one of: {', '.join(BACKENDS)}")
