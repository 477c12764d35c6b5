# ruff: noqa: E402  (without PyTorch, nothing below can be imported)
"""Attention over pages: fused operators against the definition, and that against attention without pages."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.nn import functional

from engine.backends.paged import attention
from engine.backends.paged.attention import attention_with_pages, gathered, reference, write_pages
from engine.backends.paged.sizes import MASK_BYTES

PAGE = 16
SHAPES = [(1, 1, 4, 4), (3, 1, 8, 2), (4, 7, 6, 2), (2, 40, 4, 1)]
"""Sequences, new tokens, query heads, key heads."""


def world(rows: int, new: int, heads: int, kv_heads: int, seed: int = 1, width: int = 8):
    """Random queries, keys and values, caches full of numbers that must not matter, and scattered pages."""
    draw = torch.Generator().manual_seed(seed)
    past = torch.randint(0, 5 * PAGE, (rows,), generator=draw, dtype=torch.int32)
    longest = -(-(int(past.max()) + new) // PAGE)
    table = torch.randperm(rows * longest + 3, generator=draw)[: rows * longest].view(rows, longest).int()
    caches = tuple(
        torch.randn(rows * longest + 3, PAGE, kv_heads, width, generator=draw) * 9 for _ in range(2)
    )
    q = torch.randn(rows, new, heads, width, generator=draw)
    k, v = (torch.randn(rows, new, kv_heads, width, generator=draw) for _ in range(2))
    return q, k, v, *caches, past, table


def dense(q, keys, values, scale):
    """One sequence, its cells in a row: written out, without any of the code under test."""
    group = q.shape[1] // keys.shape[1]
    before = keys.shape[0] - q.shape[0]
    out = torch.zeros_like(q)
    for at in range(q.shape[0]):
        for head in range(q.shape[1]):
            seen = keys[: before + at + 1, head // group]
            weights = torch.softmax(seen @ q[at, head] * scale, dim=0)
            out[at, head] = weights @ values[: before + at + 1, head // group]
    return out


@pytest.mark.parametrize("shape", SHAPES)
def test_reference_is_attention_over_each_sequence_alone(shape) -> None:
    q, k, v, k_cache, v_cache, past, table = world(*shape)
    write_pages(k, v, k_cache, v_cache, past, table)
    found = reference(q, k_cache, v_cache, past, table, 0.3)
    for row in range(shape[0]):
        length = int(past[row]) + shape[1]
        keys, values = (c[table[row].long()].flatten(0, 1)[:length] for c in (k_cache, v_cache))
        assert torch.equal(keys[length - shape[1] :], k[row])
        torch.testing.assert_close(found[row], dense(q[row], keys, values, 0.3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gathered_pages_give_what_the_reference_gives(shape, dtype) -> None:
    kind = getattr(torch, dtype)
    q, k, v, k_cache, v_cache, past, table = (
        part.to(kind) if part.is_floating_point() else part for part in world(*shape, seed=2)
    )
    write_pages(k, v, k_cache, v_cache, past, table)
    expected = reference(q.float(), k_cache.float(), v_cache.float(), past, table, 0.35)
    found = gathered(q, k_cache, v_cache, past, table, 0.35).float()
    near = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1.5e-1}[dtype]
    torch.testing.assert_close(found, expected, rtol=near, atol=near)


@pytest.mark.parametrize(("copied", "masked"), [(1, 1), (6000, 4000), (6000, 1 << 20), (1 << 20, 900)])
@pytest.mark.parametrize("shape", SHAPES)
def test_pages_are_gathered_within_bounds(shape, copied, masked, monkeypatch) -> None:
    """Copies and masks stay as small as asked, or of one sequence and one query; the result is the same."""
    q, k, v, k_cache, v_cache, past, table = world(*shape, seed=4)
    write_pages(k, v, k_cache, v_cache, past, table)
    expected = gathered(q, k_cache, v_cache, past, table, 0.3)
    seen = []

    def watched(rows, keys, values, attn_mask, scale):
        seen.append((keys.shape[0], attn_mask.shape[2], keys.nbytes + values.nbytes, attn_mask.numel()))
        return functional.scaled_dot_product_attention(rows, keys, values, attn_mask=attn_mask, scale=scale)

    monkeypatch.setattr(attention, "COPIED_BYTES", copied)
    monkeypatch.setattr(attention, "MASKED_BYTES", masked)
    monkeypatch.setattr(attention, "functional", SimpleNamespace(scaled_dot_product_attention=watched))
    found = gathered(q, k_cache, v_cache, past, table, 0.3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    group = shape[2] // shape[3]
    assert sum(sequences * queries for sequences, queries, _, _ in seen) == shape[0] * shape[1] * group
    assert all(nbytes <= copied or sequences == 1 for sequences, _, nbytes, _ in seen)
    assert all(cells * MASK_BYTES <= masked or queries == group for _, queries, _, cells in seen)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_seam_appends_and_attends_like_flash_attn(shape) -> None:
    """Once with new keys handed over, once with them written before: the same caches, the same result."""
    q, k, v, k_cache, v_cache, past, table = world(*shape, seed=3)
    written, beside = (k_cache.clone(), v_cache.clone()), (k_cache.clone(), v_cache.clone())
    write_pages(k, v, *written, past, table)
    same = {"q": q, "block_table": table, "causal": True, "softmax_scale": 0.3}
    appended = attention_with_pages(
        k=k, v=v, k_cache=beside[0], v_cache=beside[1], cache_seqlens=past, **same
    )
    already = attention_with_pages(
        k=None, v=None, k_cache=written[0], v_cache=written[1], cache_seqlens=past + shape[1], **same
    )
    assert torch.equal(beside[0], written[0])
    assert torch.equal(beside[1], written[1])
    torch.testing.assert_close(appended, already)
    torch.testing.assert_close(appended, reference(q, *written, past, table, 0.3), rtol=1e-4, atol=1e-5)


def test_what_is_not_implemented_is_refused_by_name() -> None:
    q, k, v, k_cache, v_cache, past, table = world(1, 1, 2, 1)
    asked = {"q": q, "k": k, "v": v, "k_cache": k_cache, "v_cache": v_cache, "cache_seqlens": past}
    with pytest.raises(ValueError, match="softcap"):
        attention_with_pages(**asked, block_table=table, causal=True, softcap=30.0)
    with pytest.raises(ValueError, match="not causal"):
        attention_with_pages(**asked, block_table=table, causal=False)
