"""llama.cpp through its low-level API: many sequences in one context, prefixes shared cell by cell."""

from __future__ import annotations

from engine.backends.llama_cpp.backend import LlamaRuntime
from engine.backends.llama_cpp.library import build
from engine.backends.llama_cpp.model import LlamaModel
from engine.backends.llama_cpp.vocabulary import Vocabulary
from engine.backends.stepping import SteppedBackend
from engine.ir.request import ModelFile

__all__ = ["build", "open_llama", "open_vocabulary"]


def open_llama(file: ModelFile, memory_bytes: int) -> SteppedBackend:
    """Load a GGUF file. `file.options.extra`: prefix_sharing, prefix_order (both default true).

    Raises ModelFileError when the file is missing, malformed, not the pinned one, or too large.
    """
    runtime = LlamaRuntime(file, memory_bytes)
    return SteppedBackend(
        runtime,
        slots=runtime.slots,
        sharing="prefix_sharing" in runtime.info.capabilities,
        ordered=bool(file.options.extra.get("prefix_order", True)),
    )


def open_vocabulary(file: ModelFile) -> Vocabulary:
    """The vocabulary alone, for counting tokens; kept for the life of the process."""
    return LlamaModel(file, vocab_only=True).vocabulary
