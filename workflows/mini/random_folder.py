"""Model folders with random weights in the shapes of well-known models, for benchmarks: made on the spot.

python -m workflows.mini.random_folder 8b FOLDER

What they write means nothing; what they cost is what a trained model of the shape costs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from workflows.mini.folder import describe
from workflows.mini.model_file import ModelShape
from workflows.mini.vocabulary import load_vocabulary

SHAPES = {
    "tiny": ModelShape(width=64, layers=2, heads=4, kv_heads=2, feed_forward=128, context_tokens=2048),
    "small": ModelShape(width=1024, layers=2, heads=16, kv_heads=8, feed_forward=2048, context_tokens=2048),
    "1b": ModelShape(width=2048, layers=16, heads=32, kv_heads=8, feed_forward=8192, context_tokens=8192),
    "8b": ModelShape(width=4096, layers=32, heads=32, kv_heads=8, feed_forward=14336, context_tokens=8192),
}
ROWS = {"tiny": None, "small": None, "1b": 128_256, "8b": 128_256}
"""Rows of the embedding: that of the model the shape is taken from, or one for each token there is."""

_LAYERS_PER_FILE = 4


def write_random_folder(name: str, folder: Path, seed: int = 0) -> Path:
    """Write the folder of a shape in SHAPES, in float16; drawn on a GPU where there is one."""
    shape = SHAPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    describe(shape, folder, ROWS[name])
    draw = torch.Generator("cuda" if torch.cuda.is_available() else "cpu").manual_seed(seed)
    for at in range(0, shape.layers, _LAYERS_PER_FILE):
        layers = range(at, min(at + _LAYERS_PER_FILE, shape.layers))
        tensors = dict(tensor for layer in layers for tensor in _layer(shape, layer, draw))
        save_file(tensors, folder / f"layers-{at:03}.safetensors", metadata={"format": "pt"})
    rows = ROWS[name] or len(load_vocabulary().tokens)
    ends = {
        "model.embed_tokens.weight": _matrix(rows, shape.width, draw),
        "lm_head.weight": _matrix(rows, shape.width, draw),
        "model.norm.weight": torch.ones(shape.width, dtype=torch.float16),
    }
    save_file(ends, folder / "ends.safetensors", metadata={"format": "pt"})
    return folder


def _layer(shape: ModelShape, layer: int, draw: torch.Generator) -> Iterator[tuple[str, torch.Tensor]]:
    kv, width, inner = shape.kv_heads * shape.head_width, shape.width, shape.feed_forward
    sizes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (kv, width),
        "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    for part, (rows, columns) in sizes.items():
        yield f"model.layers.{layer}.{part}.weight", _matrix(rows, columns, draw)
    for part in ("input_layernorm", "post_attention_layernorm"):
        yield f"model.layers.{layer}.{part}.weight", torch.ones(width, dtype=torch.float16)


def _matrix(rows: int, columns: int, draw: torch.Generator) -> torch.Tensor:
    """Entries of a size that keeps a state's length through a layer."""
    values = torch.randn(rows, columns, generator=draw, device=draw.device, dtype=torch.float16)
    return (values * columns**-0.5).cpu()


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m workflows.mini.random_folder", description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{write_random_folder(options.shape, options.folder)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
