"""The embedded model in PyTorch: Llama architecture, input and output sharing one embedding.

Rotations act on neighbouring pairs, as llama.cpp's `llama` architecture has them; the Hugging Face layout
is a permutation of rows made at export.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflows.mini.model_file import NORM_EPSILON, ROPE_BASE, ModelShape
from workflows.mini.training.start import start


class Block(nn.Module):
    """Attention and a gated feed-forward layer, each around a residual connection."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.attention_norm = nn.RMSNorm(shape.width, eps=NORM_EPSILON)
        self.query_key_value = nn.Linear(shape.width, shape.width + 2 * kv_width, bias=False)
        self.attention_out = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_norm = nn.RMSNorm(shape.width, eps=NORM_EPSILON)
        self.gate_up = nn.Linear(shape.width, 2 * shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, hidden: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """`hidden` is rows × tokens × width."""
        hidden = hidden + self._attend(self.attention_norm(hidden), turns)
        gate, up = self.gate_up(self.feed_norm(hidden)).chunk(2, dim=-1)
        result: Tensor = hidden + self.down(functional.silu(gate) * up)
        return result

    def _attend(self, hidden: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        shape = self.shape
        rows, tokens, _ = hidden.shape
        heads = self.query_key_value(hidden).view(rows, tokens, -1, shape.head_width).transpose(1, 2)
        query, key, value = heads.split((shape.heads, shape.kv_heads, shape.kv_heads), dim=1)
        mixed = attention(rotated(query, turns), rotated(key, turns), value)
        result: Tensor = self.attention_out(mixed.transpose(1, 2).reshape(rows, tokens, shape.width))
        return result


class Network(nn.Module):
    """The whole model. Weights are drawn from torch's current random state.

    `kindred` and `kinship` say which tokens begin alike, and how much so.
    """

    def __init__(
        self, shape: ModelShape, tokens: int, *, kindred: Sequence[int] = (), kinship: float = 0.0
    ) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(tokens, shape.width)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.norm = nn.RMSNorm(shape.width, eps=NORM_EPSILON)
        start(self, shape, kindred, kinship)

    def compile_blocks(self) -> None:
        """Let a compiler fuse small operations: a third faster on processors, a minute later to begin."""
        for block in self.blocks:
            block.compile(dynamic=True)

    def forward(self, tokens: Tensor, positions: Tensor, wanted: Tensor) -> Tensor:
        """Logits at the flat indices `wanted` of `tokens` and `positions`, which are rows × tokens.

        A token sees those before it, so padding belongs at the end of a row.
        """
        turns = rotations(positions, self.shape.head_width)
        hidden = self.embedding(tokens)
        for block in self.blocks:
            hidden = block(hidden, turns)
        chosen = self.norm(hidden.flatten(0, 1)[wanted])
        logits: Tensor = functional.linear(chosen, self.embedding.weight)
        return logits


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention; key and value may have fewer heads than query.

    Plain matrix products of short rows are two to four times as fast as PyTorch's kernel on processors, and
    on a GPU, where its gradients are not the same twice, they can be.
    """
    grouped = query.shape[1] // key.shape[1]
    if grouped > 1:
        key, value = key.repeat_interleave(grouped, dim=1), value.repeat_interleave(grouped, dim=1)
    tokens, width = query.shape[-2:]
    hidden = torch.full((tokens, tokens), -torch.inf, dtype=query.dtype, device=query.device).triu(1)
    scores = torch.matmul(query * width**-0.5, key.transpose(-1, -2)) + hidden
    return torch.matmul(torch.softmax(scores, dim=-1), value)


def rotations(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines for each position: rows × 1 × tokens × width/2."""
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device)
    angles = positions[:, None, :, None].float() * ROPE_BASE ** (-steps / width)
    return angles.cos(), angles.sin()


def rotated(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair of neighbouring components turned by its position's angle."""
    cosine, sine = (turn.to(heads.dtype) for turn in turns)
    even, odd = heads[..., 0::2], heads[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1).flatten(-2)
