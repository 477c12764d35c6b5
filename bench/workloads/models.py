"""Bench models S, M and L: random weights, the embedded tokenizer, cost ratios of about 2 : 3 : 5.

The ratios hold for prefill and for decoding at 16 sequences, on one thread. Small, so that some two hundred
runs fit into an hour; built into a cache folder, not committed.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from pathlib import Path

from workflows.mini.build import ModelShape, build_model
from workflows.mini.vocabulary import load_vocabulary

CONTEXT_TOKENS = 1536
_SHAPE = partial(ModelShape, context_tokens=CONTEXT_TOKENS)
SHAPES = {
    "S": _SHAPE(width=256, layers=4, heads=4, kv_heads=2, feed_forward=640),
    "M": _SHAPE(width=384, layers=3, heads=6, kv_heads=2, feed_forward=1216),
    "L": _SHAPE(width=576, layers=3, heads=9, kv_heads=3, feed_forward=1664),
}
CELLS = 24 * 1024
"""Key-value cells of each model: for 16 running calls, and for prompts and the prefixes they share."""


def build_models(folder: Path) -> dict[str, Path]:
    """Model name → file, built where it is missing; names carry a digest of the shape."""
    found = {}
    for seed, (name, shape) in enumerate(SHAPES.items()):
        digest = blake2b(repr((shape, load_vocabulary())).encode(), digest_size=6).hexdigest()
        found[name] = folder / f"bench-{name}-{digest}.gguf"
        if not found[name].exists():
            build_model(found[name], shape=shape, seed=seed)
    return found


def kv_bytes(name: str) -> int:
    """Memory of the model's key-value cells (float16 keys and values)."""
    shape = SHAPES[name]
    return CELLS * 2 * 2 * shape.layers * shape.kv_heads * shape.head_width
