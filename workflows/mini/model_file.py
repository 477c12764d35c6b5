"""One writer of the embedded model's GGUF file, for random and for trained weights alike."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np

from workflows.mini.vocabulary import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, Vocabulary, load_vocabulary

Precision = Literal["f32", "f16", "q8_0"]
Tensors = Iterable[tuple[str, np.ndarray[Any, Any]]]
"""Names as llama.cpp has them, and float32 values; vectors are stored as they are."""

ROPE_BASE = 1_000_000.0
"""Slow rotations leave most of a head to what tokens are, even a thousand tokens apart."""
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class ModelShape:
    """Dimensions of a Llama-architecture model. `width` and `feed_forward` are multiples of 32."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context_tokens: int = 4096

    @property
    def head_width(self) -> int:
        """Dimensions of one attention head."""
        return self.width // self.heads


def check_shape(shape: ModelShape) -> None:
    """Raise ValueError when the dimensions do not divide."""
    if shape.width % shape.heads or shape.heads % shape.kv_heads or shape.head_width % 2:
        raise ValueError(f"heads must divide width and kv_heads must divide heads: {shape}")
    if shape.width % 32 or shape.feed_forward % 32:
        raise ValueError(f"width and feed_forward must be multiples of 32: {shape}")


def write_model(path: Path, shape: ModelShape, tensors: Tensors, *, name: str, precision: Precision) -> Path:
    """Write the file (replacing it atomically) and return `path`.

    Input and output share the embedding. Raises ValueError when the shape's dimensions do not divide,
    OSError when the file cannot be written.
    """
    check_shape(shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        _write(Path(temporary), shape, tensors, name=name, precision=precision)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


_KINDS = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}


def _write(path: Path, shape: ModelShape, tensors: Tensors, *, name: str, precision: Precision) -> None:
    vocabulary = load_vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    kind, file_type = _KINDS[precision]
    writer.add_name(name)
    writer.add_file_type(file_type)
    _add_architecture(writer, shape, len(vocabulary.tokens))
    _add_tokenizer(writer, vocabulary)
    for tensor, values in tensors:
        if values.ndim == 1:
            writer.add_tensor(tensor, values)
        else:
            writer.add_tensor(tensor, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_architecture(writer: Any, shape: ModelShape, tokens: int) -> None:
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_vocab_size(tokens)


def _add_tokenizer(writer: Any, vocabulary: Vocabulary) -> None:
    control = frozenset(vocabulary.control)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre_tokenizer)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in control else gguf.TokenType.NORMAL for token in vocabulary.tokens]
    )
    writer.add_token_merges(list(vocabulary.merges))
    end_of_text = vocabulary.tokens.index(END_OF_TEXT)
    end_of_turn = vocabulary.tokens.index(END_OF_TURN)
    writer.add_bos_token_id(end_of_text)
    writer.add_eos_token_id(end_of_turn)
    writer.add_eot_token_id(end_of_turn)
    writer.add_pad_token_id(end_of_text)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
