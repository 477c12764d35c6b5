"""How much memory a model will take, estimated before it is loaded."""

from __future__ import annotations

import os

from engine.backends.gguf_file import is_gguf, validate_gguf
from engine.backends.paged.model_folder import read_folder
from engine.backends.paged.sizes import least_bytes
from engine.ir.request import ModelFile

_CONTEXTS_AT_LEAST = 2
"""Without a cache budget, room for this many full contexts is asked for; the backend may take more."""


def estimate_bytes(file: ModelFile) -> int:
    """Weights plus the least useful key-value cache; 0 for backends whose models are no files.

    Raises ModelFileError when a GGUF header or a model folder is malformed.
    """
    if os.path.isdir(file.path):
        return least_bytes(file, read_folder(file.path), _CONTEXTS_AT_LEAST)
    try:
        weights = os.stat(file.path).st_size
        header = is_gguf(file.path)
    except OSError:
        weights, header = 0, False  # loading says what is wrong with the path, or needs no file
    budget = file.options.kv_budget_bytes
    if budget is not None or not header:
        return weights + (budget or 0)
    summary = validate_gguf(file.path)
    context = min(file.options.context_tokens or summary.context_tokens, summary.context_tokens)
    return weights + _CONTEXTS_AT_LEAST * context * summary.kv_bytes_per_token
