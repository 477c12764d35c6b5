"""A Llama-shaped network in plain PyTorch and float32: the measure for faster ones, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import torch
from safetensors.torch import load_file
from torch.nn import functional

from engine.backends.paged.attention import reference, write_pages
from engine.backends.paged.model_folder import ModelFolder
from engine.backends.paged.network import Batch
from engine.backends.paged.pages import PAGE_TOKENS

Tensor: TypeAlias = torch.Tensor
BUILD = f"PyTorch {torch.__version__}, float32 reference"


class ReferenceNetwork:
    """`Network` over a folder of float16, bfloat16 or float32 weights; `pages` include the scrap page."""

    def __init__(self, folder: ModelFolder, pages: int, threads: int = 1) -> None:
        torch.set_num_threads(threads)  # its own choice, every core, fights with every other process
        self._config = config = folder.config
        self.device = torch.device("cpu")
        self._weights: dict[str, Tensor] = {}
        for file in folder.weight_files:
            self._weights.update({name: value.float() for name, value in load_file(Path(file)).items()})
        self.vocabulary_size = config.vocabulary_size
        shape = (pages, PAGE_TOKENS, config.kv_heads, config.head_width)
        self.blocks: tuple[Tensor, ...] = tuple(torch.zeros(shape) for _ in range(2 * config.layers))
        rates = torch.arange(0, config.head_width, 2).float() / config.head_width
        self._turns = config.rope_base**-rates

    def forward(self, batch: Batch) -> Tensor:
        with torch.inference_mode():
            return self._forward(batch)

    def _forward(self, batch: Batch) -> Tensor:
        state = self._weights["model.embed_tokens.weight"][batch.ids]
        position = batch.past[:, None] + torch.arange(batch.ids.shape[1])
        for layer in range(self._config.layers):
            state = state + self._attend(layer, state, position, batch)
            state = state + self._feed_forward(layer, state)
        last = torch.tensor(batch.counts) - 1
        state = self._norm(state[torch.arange(len(last)), last], "model.norm.weight")
        head = self._weights.get("lm_head.weight", self._weights["model.embed_tokens.weight"])
        return functional.linear(state, head)

    def close(self) -> None:
        self._weights.clear()
        self.blocks = ()

    def _attend(self, layer: int, state: Tensor, position: Tensor, batch: Batch) -> Tensor:
        config = self._config
        name = f"model.layers.{layer}"
        seen = self._norm(state, f"{name}.input_layernorm.weight")

        def heads(part: str, count: int) -> Tensor:
            values = functional.linear(seen, self._weights[f"{name}.self_attn.{part}_proj.weight"])
            return values.view(*seen.shape[:2], count, config.head_width)

        q, k, v = heads("q", config.heads), heads("k", config.kv_heads), heads("v", config.kv_heads)
        q, k = self._turn(q, position), self._turn(k, position)
        k_cache, v_cache = self.blocks[2 * layer], self.blocks[2 * layer + 1]
        write_pages(k, v, k_cache, v_cache, batch.past, batch.pages)
        found = reference(q, k_cache, v_cache, batch.past, batch.pages, config.head_width**-0.5)
        return functional.linear(found.flatten(2), self._weights[f"{name}.self_attn.o_proj.weight"])

    def _feed_forward(self, layer: int, state: Tensor) -> Tensor:
        name = f"model.layers.{layer}"
        seen = self._norm(state, f"{name}.post_attention_layernorm.weight")
        gate = functional.silu(functional.linear(seen, self._weights[f"{name}.mlp.gate_proj.weight"]))
        up = functional.linear(seen, self._weights[f"{name}.mlp.up_proj.weight"])
        return functional.linear(gate * up, self._weights[f"{name}.mlp.down_proj.weight"])

    def _norm(self, state: Tensor, name: str) -> Tensor:
        scale = torch.rsqrt(state.pow(2).mean(-1, keepdim=True) + self._config.norm_epsilon)
        return state * scale * self._weights[name]

    def _turn(self, heads: Tensor, position: Tensor) -> Tensor:
        """Rotary positions by halves: component i turns with component i + width / 2."""
        angle = position[:, :, None, None].float() * self._turns
        low, high = heads.chunk(2, dim=-1)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1)
