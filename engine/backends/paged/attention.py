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

from engine.backends.paged.sizes import COPIED_BYTES, MASK_BYTES, MASKED_BYTES

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
    """Pages gathered side by side, then fused attention under a mask: as many sequences at once as
    COPIED_BYTES of keys and values allow, and MASKED_BYTES of masks of one query each; at least one.
    """
    room = table.shape[1] * k_cache.shape[1]
    copied = room * k_cache.shape[2] * (k_cache.shape[3] + v_cache.shape[3]) * k_cache.element_size()
    masked = room * (q.shape[2] // k_cache.shape[2]) * MASK_BYTES
    together = max(1, min(COPIED_BYTES // copied, MASKED_BYTES // masked))
    found = [
        _gathered_rows(q[rows], k_cache, v_cache, past[rows], table[rows], scale)
        for rows in _slices(q.shape[0], together)
    ]
    return found[0] if len(found) == 1 else torch.cat(found)


def _gathered_rows(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, past: Tensor, table: Tensor, scale: float
) -> Tensor:
    """The copies of some sequences' pages, and as many queries at once as MASKED_BYTES of masks allow."""
    rows, new, heads, _ = q.shape
    pages, kv_heads = table.long(), k_cache.shape[2]
    keys = k_cache[pages].flatten(1, 2).transpose(1, 2)
    values = v_cache[pages].flatten(1, 2).transpose(1, 2)
    masked = rows * keys.shape[2] * (heads // kv_heads) * MASK_BYTES
    found = [
        _masked(q[:, queries], keys, values, past + queries.start, scale)
        for queries in _slices(new, max(1, MASKED_BYTES // masked))
    ]
    return found[0] if len(found) == 1 else torch.cat(found, dim=1)


def _masked(q: Tensor, keys: Tensor, values: Tensor, past: Tensor, scale: float) -> Tensor:
    """Attention of the queries behind `past` to keys and values (batch, heads, room, width).

    Query heads that share a key head become rows of one query: keys are read once a group, not once a head.
    """
    batch, new, heads, width = q.shape
    kv_heads, room = keys.shape[1], keys.shape[2]
    group = heads // kv_heads
    last = past[:, None].long() + torch.arange(new, device=q.device)
    seen = torch.arange(room, device=q.device) <= last[:, :, None]
    mask = seen[:, None, None].expand(batch, 1, group, new, room).reshape(batch, 1, group * new, room)
    rows = (
        q.unflatten(2, (kv_heads, group)).permute(0, 2, 3, 1, 4).reshape(batch, kv_heads, group * new, width)
    )
    found = functional.scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=scale)
    found = found.reshape(batch, kv_heads, group, new, width).permute(0, 3, 1, 2, 4)
    return found.reshape(batch, new, heads, width)


def _slices(count: int, width: int) -> list[slice]:
    return [slice(start, min(start + width, count)) for start in range(0, count, width)]


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
