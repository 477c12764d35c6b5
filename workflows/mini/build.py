"""Build the embedded model: a Llama-shaped GGUF file with seeded random weights.

    python -m workflows.mini.build OUT.gguf --size s

The file is a complete model as far as a runtime is concerned (tokenizer, chat template, control tokens);
its text means nothing. Equal arguments give equal bytes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np

from workflows.mini.vocabulary import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, Vocabulary, load_vocabulary

Precision = Literal["f16", "q8_0"]
Size = Literal["s", "l"]


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


SHAPES: dict[Size, ModelShape] = {
    "s": ModelShape(width=256, layers=3, heads=4, kv_heads=2, feed_forward=640),
    "l": ModelShape(width=384, layers=5, heads=6, kv_heads=2, feed_forward=1024),
}
"""s: 3.1 M parameters; l: 9.4 M."""

_LOGIT_SPREAD = 3.0
"""Standard deviation of logits: peaked enough that equal prompts rarely tie, flat enough to be varied."""


def build_model(
    path: Path,
    *,
    size: Size = "s",
    seed: int = 0,
    shape: ModelShape | None = None,
    precision: Precision = "q8_0",
) -> Path:
    """Write the model to `path` (replacing it atomically) and return `path`.

    `shape` overrides `size`. Raises ValueError when the shape's dimensions do not divide, OSError when
    the file cannot be written.
    """
    chosen = shape or SHAPES[size]
    _check_shape(chosen)
    name = f"haloctl-mini-{'custom' if shape else size}"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        _write(Path(temporary), chosen, name=name, seed=seed, precision=precision)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _check_shape(shape: ModelShape) -> None:
    if shape.width % shape.heads or shape.heads % shape.kv_heads or shape.head_width % 2:
        raise ValueError(f"heads must divide width and kv_heads must divide heads: {shape}")
    if shape.width % 32 or shape.feed_forward % 32:
        raise ValueError(f"width and feed_forward must be multiples of 32: {shape}")


def _write(path: Path, shape: ModelShape, *, name: str, seed: int, precision: Precision) -> None:
    vocabulary = load_vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    _add_architecture(writer, shape, name, precision, len(vocabulary.tokens))
    _add_tokenizer(writer, vocabulary)
    kind = gguf.GGMLQuantizationType.Q8_0 if precision == "q8_0" else gguf.GGMLQuantizationType.F16
    for tensor, values in _weights(shape, len(vocabulary.tokens), seed):
        if values.ndim == 1:
            writer.add_tensor(tensor, values)
        else:
            writer.add_tensor(tensor, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_architecture(writer: Any, shape: ModelShape, name: str, precision: Precision, tokens: int) -> None:
    writer.add_name(name)
    writer.add_file_type(
        gguf.LlamaFileType.MOSTLY_Q8_0 if precision == "q8_0" else gguf.LlamaFileType.MOSTLY_F16
    )
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(tokens)


def _add_tokenizer(writer: Any, vocabulary: Vocabulary) -> None:
    control = frozenset(vocabulary.control)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
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


def _weights(shape: ModelShape, tokens: int, seed: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Tensors in file order, float32. Each matrix keeps the scale of what it multiplies (fan-in scaling)."""
    random = np.random.default_rng(seed)
    width, kv_width = shape.width, shape.kv_heads * shape.head_width
    depth_scale = (2 * shape.layers) ** -0.5

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
        values = random.standard_normal((rows, columns), dtype=np.float32)
        return values * np.float32(scale * columns**-0.5)

    ones = np.ones(width, dtype=np.float32)
    yield "token_embd.weight", matrix(tokens, width, _LOGIT_SPREAD)
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", ones
        yield f"{block}.attn_q.weight", matrix(width, width, 1.5)
        yield f"{block}.attn_k.weight", matrix(kv_width, width, 1.5)
        yield f"{block}.attn_v.weight", matrix(kv_width, width)
        yield f"{block}.attn_output.weight", matrix(width, width, depth_scale)
        yield f"{block}.ffn_norm.weight", ones
        yield f"{block}.ffn_gate.weight", matrix(shape.feed_forward, width)
        yield f"{block}.ffn_up.weight", matrix(shape.feed_forward, width)
        yield f"{block}.ffn_down.weight", matrix(width, shape.feed_forward, depth_scale)
    # Input and output share the embedding; random signs in the last norm keep the residual copy of the
    # current token from winning its own logit, which would repeat one token forever.
    signs = random.choice(np.array([-1.0, 1.0], dtype=np.float32), size=width)
    yield "output_norm.weight", signs.astype(np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Command line: build one model and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m workflows.mini.build", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", choices=sorted(SHAPES), default="s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("q8_0", "f16"), default="q8_0")
    options = parser.parse_args(arguments)
    path = build_model(options.out, size=options.size, seed=options.seed, precision=options.precision)
    sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
