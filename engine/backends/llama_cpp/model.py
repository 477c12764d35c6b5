"""A model file loaded into this process: weights, vocabulary, digest, and what it costs."""

from __future__ import annotations

import os
from typing import Any

from engine.backends.gguf_file import file_sha256, validate_gguf
from engine.backends.llama_cpp.chat_template import ChatTemplate
from engine.backends.llama_cpp.library import api, initialise, recent_log
from engine.backends.llama_cpp.vocabulary import Vocabulary
from engine.errors import ModelFileError
from engine.ir.request import ModelFile

_BYTES_PER_VALUE = 2
"""Keys and values are kept as f16."""


class LlamaModel:
    """Owns the native model; `close` frees it. With `vocab_only` there are no weights to compute with."""

    def __init__(self, file: ModelFile, *, vocab_only: bool = False) -> None:
        initialise()
        validate_gguf(file.path)
        self.digest = "" if vocab_only and file.sha256 is None else file_sha256(file.path)
        if file.sha256 is not None and file.sha256.lower() != self.digest:
            raise ModelFileError(
                f"model {file.name}: SHA-256 of {file.path} is {self.digest}, not the pinned {file.sha256}",
                fix="restore the file, or pin the new digest",
            )
        self.pointer = _load(file, vocab_only=vocab_only)
        self.vocabulary = Vocabulary(self.pointer)
        self.train_context_tokens: int = api.llama_model_n_ctx_train(self.pointer)
        self.size_bytes: int = api.llama_model_size(self.pointer)
        self.recurrent = bool(
            api.llama_model_is_recurrent(self.pointer) or api.llama_model_is_hybrid(self.pointer)
        )

    def chat_template(self) -> ChatTemplate:
        """The file's own template, or plain dialogue when it has none."""
        source = api.llama_model_chat_template(self.pointer, None)
        vocabulary = self.vocabulary
        return ChatTemplate(
            source.decode("utf-8", "replace") if source else None,
            bos=vocabulary.spelling(vocabulary.bos),
            eos=vocabulary.spelling(vocabulary.eos),
        )

    def kv_bytes_per_token(self) -> int:
        """Bytes of keys and values one token takes over all layers."""
        heads: int = api.llama_model_n_head_kv(self.pointer)
        width: int = api.llama_model_n_embd(self.pointer) // max(1, api.llama_model_n_head(self.pointer))
        keys = self._header_number("attention.key_length") or width
        values = self._header_number("attention.value_length") or width
        layers: int = api.llama_model_n_layer(self.pointer)
        return layers * heads * (keys + values) * _BYTES_PER_VALUE

    def close(self) -> None:
        """Free the weights; idempotent."""
        if self.pointer is not None:
            api.llama_model_free(self.pointer)
            self.pointer = None

    def _header_number(self, name: str) -> int:
        """A whole number of the file's header under the architecture's name; 0 when absent."""
        architecture = self._header("general.architecture")
        text = self._header(f"{architecture}.{name}")
        return int(text) if text.isdigit() else 0

    def _header(self, key: str) -> str:
        buffer = bytes(256)
        length = api.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return buffer[:length].decode("utf-8", "replace") if length > 0 else ""


def _load(file: ModelFile, *, vocab_only: bool) -> Any:
    params = api.llama_model_default_params()
    params.vocab_only = vocab_only
    params.n_gpu_layers = file.options.gpu_layers
    pointer = api.llama_model_load_from_file(os.fsencode(file.path), params)
    if not pointer:
        raise ModelFileError(f"model {file.name}: {file.path} cannot be loaded: {recent_log()}")
    return pointer
