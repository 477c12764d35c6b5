"""A model file loaded into this process: weights, vocabulary, digest, and what it costs."""

from __future__ import annotations

import os
from typing import Any

from engine.backends.chat_template import ChatTemplate
from engine.backends.gguf_file import file_sha256, validate_gguf
from engine.backends.llama_cpp.library import api, initialise, recent_log
from engine.backends.llama_cpp.vocabulary import Vocabulary
from engine.errors import ModelFileError
from engine.ir.request import ModelFile

_LOOK_FLOPS = 80
"""Floating point operations of a prompt's matrix products in the time of one head's look at one cell. It was
35, 67 and 92 with 2, 4 and 7 million weights (bench/skipped_cells): small products are slower."""


class LlamaModel:
    """Owns the native model; `close` frees it. With `vocab_only` there are no weights to compute with."""

    def __init__(self, file: ModelFile, *, vocab_only: bool = False) -> None:
        initialise()
        summary = validate_gguf(file.path)
        self.kv_bytes_per_token = max(1, summary.kv_bytes_per_token)
        self.digest = "" if vocab_only and file.sha256 is None else file_sha256(file.path)
        if file.sha256 is not None and file.sha256.lower() != self.digest:
            raise ModelFileError(
                f"model {file.name}: SHA-256 of {file.path} is {self.digest}, not the pinned {file.sha256}",
                fix="restore the file, or pin the new digest",
            )
        self.pointer = _load(file, vocab_only=vocab_only)
        self._template = _template(self.pointer)
        self.vocabulary = Vocabulary(self.pointer, self._template or "")
        self.train_context_tokens: int = api.llama_model_n_ctx_train(self.pointer)
        self.size_bytes: int = api.llama_model_size(self.pointer)
        self.recurrent = bool(
            api.llama_model_is_recurrent(self.pointer) or api.llama_model_is_hybrid(self.pointer)
        )
        self.sliding = api.llama_model_n_swa(self.pointer) > 0

    @property
    def looks_per_token(self) -> int:
        """How often a cell can be skipped in the time its token took to compute.

        In unified cells each layer's every head looks at the mask of every cell in use, for every token.
        """
        heads: int = api.llama_model_n_head(self.pointer) * api.llama_model_n_layer(self.pointer)
        embedding = self.vocabulary.size * api.llama_model_n_embd(self.pointer)
        weights: int = max(1, api.llama_model_n_params(self.pointer) - embedding)
        return max(1, 2 * weights // (_LOOK_FLOPS * heads))

    def chat_template(self) -> ChatTemplate:
        """The file's own template, or plain dialogue when it has none."""
        vocabulary = self.vocabulary
        return ChatTemplate(
            self._template,
            bos=vocabulary.spelling(vocabulary.bos),
            eos=vocabulary.spelling(vocabulary.eos),
        )

    def close(self) -> None:
        """Free the weights; idempotent."""
        if self.pointer is not None:
            api.llama_model_free(self.pointer)
            self.pointer = None


def _template(pointer: Any) -> str | None:
    source = api.llama_model_chat_template(pointer, None)
    return source.decode("utf-8", "replace") if source else None


def _load(file: ModelFile, *, vocab_only: bool) -> Any:
    params = api.llama_model_default_params()
    params.vocab_only = vocab_only
    params.n_gpu_layers = file.options.gpu_layers
    pointer = api.llama_model_load_from_file(os.fsencode(file.path), params)
    if not pointer:
        raise ModelFileError(f"model {file.name}: {file.path} cannot be loaded: {recent_log()}")
    return pointer
