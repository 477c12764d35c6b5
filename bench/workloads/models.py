"""Bench models S, M and L: random weights, the embedded tokenizer, shaped for cost ratios of 2 : 3 : 5.

On one thread they come near it in prefill, and S and M are cheaper than that in decoding 16 sequences; the
yardstick's page says what was measured. Small, so that some two hundred runs fit into two hours; large ones
show what comes of models whose attention weighs less beside the rest. Built into a cache folder, not
committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape
from workflows.mini.vocabulary import load_vocabulary

CONTEXT_TOKENS = 1536
_SHAPE = partial(ModelShape, context_tokens=CONTEXT_TOKENS)
Shapes: TypeAlias = Mapping[str, ModelShape]
"""Of S, M and L."""

_SMALL: Shapes = {
    "S": _SHAPE(width=256, layers=4, heads=4, kv_heads=2, feed_forward=640),
    "M": _SHAPE(width=384, layers=3, heads=6, kv_heads=2, feed_forward=1216),
    "L": _SHAPE(width=576, layers=3, heads=9, kv_heads=3, feed_forward=1664),
}


def _twice_as_wide(shape: ModelShape) -> ModelShape:
    """Four times the weights, and only twice the attention, since heads keep their width."""
    return replace(
        shape,
        width=2 * shape.width,
        heads=2 * shape.heads,
        kv_heads=2 * shape.kv_heads,
        feed_forward=2 * shape.feed_forward,
    )


SIZES: Mapping[str, Shapes] = {
    "small": _SMALL,
    "large": {name: _twice_as_wide(shape) for name, shape in _SMALL.items()},
}
CELLS = 24 * 1024
"""Key-value cells of each model: for 16 running calls, and for prompts and the prefixes they share."""


def build_models(folder: Path, shapes: Shapes = _SMALL) -> dict[str, Path]:
    """Model name → file, built where it is missing; names carry a digest of the shape."""
    found = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        digest = blake2b(repr((shape, load_vocabulary())).encode(), digest_size=6).hexdigest()
        found[name] = folder / f"bench-{name}-{digest}.gguf"
        if not found[name].exists():
            build_model(found[name], shape=shape, seed=seed)
    return found


def kv_bytes(shape: ModelShape) -> int:
    """Memory of a model's key-value cells (float16 keys and values)."""
    return CELLS * 2 * 2 * shape.layers * shape.kv_heads * shape.head_width
