"""Attention over key-value pages in PyTorch's own operators, for machines without flash-attn.

The functions have the shape of flash-attn's `flash_attn_with_kvcache`: queries of several sequences, pages
that belong to whichever sequence the page table says, new keys and values written into the pages first.
`reference` is the plain definition, a sequence at a time in float32; the others are held to it by tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn import functional

Tensor: TypeAlias = torch.Tensor
Compute: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]
"""(queries, pages of keys, of values, tokens before the queries, page table, scale) → what they attend to."""


def write_pages(
    keys: Tensor, values: Tensor, k_cache: Tensor, v_cache: Tensor, at: Tensor, table: Tensor
) -> None:
    """Put new keys and values (batch, new, heads, width) behind the `at` tokens that each sequence has.

    `table` (batch, pages of the longest) names the page of every stretch of page-size tokens.
    """
    page_tokens = k_cache.shape[1]
    position = at[:, None].long() + torch.arange(keys.shape[1], device=keys.device)
    page = torch.gather(table.long(), 1, position // page_tokens)
    offset = position % page_tokens
    k_cache[page, offset] = keys.to(k_cache.dtype)
    v_cache[page, offset] = values.to(v_cache.dtype)


def reference(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, past: Tensor, table: Tensor, scale: float
) -> Tensor:
    """Causal attention as defined, in float32; the queries are the last tokens of each sequence."""
    out = torch.empty_like(q)
    group = q.shape[2] // k_cache.shape[2]
    for row in range(q.shape[0]):
        length = int(past[row]) + q.shape[1]
        pages = table[row, : -(-length // k_cache.shape[1])].long()
        keys = k_cache[pages].flatten(0, 1)[:length].float().repeat_interleave(group, dim=1)
        values = v_cache[pages].flatten(0, 1)[:length].float().repeat_interleave(group, dim=1)
        scores = torch.einsum("qhd,khd->hqk", q[row].float(), keys) * scale
        ahead = (
            torch.arange(length, device=q.device)
            > (past[row] + torch.arange(q.shape[1], device=q.device))[:, None]
        )
        weights = scores.masked_fill(ahead, -math.inf).softmax(dim=-1)
        out[row] = torch.einsum("hqk,khd->qhd", weights, values).to(q.dtype)
    return out


def gathered(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, past: Tensor, table: Tensor, scale: float
) -> Tensor:
    """All sequences at once: pages gathered side by side, then one fused attention under a mask.

    Query heads that share a key head become rows of one query: keys are read once a group, not once a head.
    """
    batch, new, heads, width = q.shape
    kv_heads, page_tokens = k_cache.shape[2], k_cache.shape[1]
    group, room = heads // kv_heads, table.shape[1] * page_tokens
    pages = table.long()
    keys = k_cache[pages].view(batch, room, kv_heads, width).transpose(1, 2)
    values = v_cache[pages].view(batch, room, kv_heads, width).transpose(1, 2)
    last = past[:, None].long() + torch.arange(new, device=q.device)
    seen = torch.arange(room, device=q.device) <= last[:, :, None]
    mask = seen[:, None, None].expand(batch, 1, group, new, room).reshape(batch, 1, group * new, room)
    rows = (
        q.view(batch, new, kv_heads, group, width)
        .permute(0, 2, 3, 1, 4)
        .reshape(batch, kv_heads, group * new, width)
    )
    found = functional.scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=scale)
    found = found.view(batch, kv_heads, group, new, width).permute(0, 3, 1, 2, 4)
    return found.reshape(batch, new, heads, width)


def attention_with_pages(
    *,
    q: Tensor,
    k: Tensor | None,
    v: Tensor | None,
    k_cache: Tensor,
    v_cache: Tensor,
    cache_seqlens: Tensor,
    block_table: Tensor,
    causal: bool,
    softmax_scale: float | None = None,
    compute: Compute = gathered,
    **unsupported: Any,
) -> Tensor:
    """In place of flash-attn's `flash_attn_with_kvcache`: the same arguments, the same effect on the caches.

    `compute` is the way it is done (`attention_choice`). With `k` and `v` they are appended at
    `cache_seqlens`; without, `cache_seqlens` counts them already.
    Raises ValueError for what is not implemented: windows, soft caps, and anything but causal attention.
    """
    if unsupported or not causal:
        named = ", ".join(sorted(unsupported)) or "attention that is not causal"
        raise ValueError(f"paged attention without flash-attn does not do {named}: install flash-attn")
    past = cache_seqlens
    if k is not None and v is not None:
        write_pages(k, v, k_cache, v_cache, past, block_table)
    else:
        past = past - q.shape[1]
    scale = 1 / math.sqrt(q.shape[-1]) if softmax_scale is None else softmax_scale
    return compute(q, k_cache, v_cache, past, block_table, scale)
