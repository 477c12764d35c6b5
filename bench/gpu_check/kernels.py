"""Candidates for attention over pages, each against float32 in the shape of an 8B model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from bench.gpu_check.target import Figures, Target
from engine.backends.exllamav2.environment import has_paged_flash_attention
from engine.backends.paged.attention import Compute
from engine.backends.paged.attention_choice import WAYS, Trial, attempt, case, choose

Tensor: TypeAlias = torch.Tensor


def attention(target: Target, _folder: object) -> Figures:
    """Every way that needs no compiler, over as many rows as a full step has; fails when none is right."""
    ways: dict[str, Compute] = {**WAYS, "PyTorch, row by row": row_by_row}
    if has_paged_flash_attention():
        ways["flash-attn"] = by_flash_attention
    chosen, _, _ = choose(target.heads)
    return {"chosen": chosen, **_tried(target, ways)}


def compiled(target: Target, _folder: object) -> Figures:
    """PyTorch's flexible attention over the page table; compiled on a GPU, long for each shape."""
    return _tried(target, {"PyTorch, flexible": flexible})


def _tried(target: Target, ways: dict[str, Compute]) -> Figures:
    found: Figures = {}
    rows = target.queries
    for new in (1, 24):
        given = case(target.heads, rows, new, 1000, seed=new)
        for name, compute in ways.items():
            found[f"{name}, {new} new"] = _words(attempt(name, compute, [given]))
    return found


def _words(trial: Trial) -> str:
    if trial.refused:
        return f"out: {trial.refused}"
    return f"{trial.step_ms:.3f} ms, differs by {trial.difference:.2g}"


def row_by_row(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, past: Tensor, table: Tensor, scale: float
) -> Tensor:
    """A fused kernel for each sequence alone: nothing is padded, and nothing runs together."""
    rows = []
    group = q.shape[2] // k_cache.shape[2]
    for row, before in enumerate(past.tolist()):
        length = before + q.shape[1]
        pages = table[row, : -(-length // k_cache.shape[1])].long()
        keys, values = (
            cache[pages].flatten(0, 1)[:length].transpose(0, 1).repeat_interleave(group, dim=0)
            for cache in (k_cache, v_cache)
        )
        seen = (
            torch.arange(length, device=q.device)
            <= before + torch.arange(q.shape[1], device=q.device)[:, None]
        )
        queries = q[row].transpose(0, 1)
        found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=seen, scale=scale)
        rows.append(found.transpose(0, 1))
    return torch.stack(rows)


def by_flash_attention(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, past: Tensor, table: Tensor, scale: float
) -> Tensor:
    """flash-attn's kernel, for which the pages have their size."""
    import flash_attn

    library: Any = flash_attn
    used = past + q.shape[1]
    found: Tensor = library.flash_attn_with_kvcache(
        q, k_cache, v_cache, cache_seqlens=used, block_table=table, causal=True, softmax_scale=scale
    )
    return found


def flexible(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, past: Tensor, table: Tensor, scale: float
) -> Tensor:
    """All pages as one long sequence, of which each row sees its own: a mask says which those are."""
    from torch.nn.attention.flex_attention import BlockMask

    batch, new = q.shape[:2]
    pages, page = k_cache.shape[:2]
    places = torch.arange(table.shape[1], device=q.device, dtype=torch.int32).expand(batch, -1)
    place = torch.full((batch, pages), -1, device=q.device, dtype=torch.int32)
    place.scatter_(1, table.long(), places)

    def seen(row: Tensor, _head: Tensor, query: Tensor, cell: Tensor) -> Tensor:
        at = place[row, cell // page]
        return (at >= 0) & (at * page + cell % page <= past[row] + query)

    counts = torch.full((batch, 1, 1), table.shape[1], device=q.device, dtype=torch.int32)
    mask = BlockMask.from_kv_blocks(
        counts,
        table[:, None, None],
        BLOCK_SIZE=(128, page),
        mask_mod=seen,
        seq_lengths=(new, pages * page),
        compute_q_blocks=False,
    )
    keys, values = (cache.flatten(0, 1).transpose(0, 1)[None] for cache in (k_cache, v_cache))
    attend = _compiled() if q.device.type == "cuda" else _plain()
    found = attend(q.transpose(1, 2), keys, values, block_mask=mask, scale=scale, enable_gqa=True)
    return found.transpose(1, 2)


def _plain() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    library: Any = flex_attention
    return lambda *tensors, **options: library(*tensors, **options)


_KEPT: dict[str, Callable[..., Tensor]] = {}


def _compiled() -> Callable[..., Tensor]:
    if "flexible" not in _KEPT:
        _KEPT["flexible"] = torch.compile(_plain())
    return _KEPT["flexible"]
