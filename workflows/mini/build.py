"""Build a Llama-shaped GGUF file with seeded random weights, for tests and benchmarks.

    python -m workflows.mini.build OUT.gguf --size s

The file is a complete model as far as a runtime is concerned (tokenizer, chat template, control tokens);
what it writes means nothing. Equal arguments give equal bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workflows.mini.model_file import ModelShape, Precision, check_shape, write_model
from workflows.mini.vocabulary import load_vocabulary

Size = Literal["s", "l"]

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
    check_shape(chosen)
    tensors = _weights(chosen, len(load_vocabulary().tokens), seed)
    name = f"random-{'custom' if shape else size}"
    return write_model(path, chosen, tensors, name=name, precision=precision)


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
