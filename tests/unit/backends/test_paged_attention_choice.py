# ruff: noqa: E402  (without PyTorch, nothing below can be imported)
"""Which way to attend over pages is taken: the fastest that is right, whatever the others do."""

from __future__ import annotations

import time

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from engine.backends.paged.attention import gathered, reference
from engine.backends.paged.attention_choice import Shape, along_table, attempt, case, choose
from engine.backends.paged.pages import PAGE_TOKENS

SHAPE = Shape(4, 2, 8, torch.float32, torch.device("cpu"))


def slow(*given):
    time.sleep(0.05)
    return gathered(*given)


def wrong(*given):
    return gathered(*given) * 1.1


def not_a_number(*given):
    return gathered(*given) * float("nan")


def broken(*_given):
    raise RuntimeError("no kernel image is available\nfor execution")


def test_the_fastest_way_that_is_right_is_taken() -> None:
    ways = {"broken": broken, "wrong": wrong, "nan": not_a_number, "slow": slow, "gathered": gathered}
    name, compute, trials = choose(SHAPE, ways)
    assert (name, compute) == ("gathered", gathered)
    found = {trial.name: trial for trial in trials}
    assert found["broken"].refused == "RuntimeError: no kernel image is available"
    assert "differs from the definition" in found["wrong"].refused
    assert "differs from the definition" in found["nan"].refused
    assert not found["slow"].refused
    assert found["slow"].step_ms > found["gathered"].step_ms > 0


def test_where_nothing_is_right_that_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"wrong: differs .*; broken: RuntimeError"):
        choose(SHAPE, {"wrong": wrong, "broken": broken})


def test_pytorch_s_paged_kernel_is_refused_where_it_cannot_run() -> None:
    assert attempt("paged", along_table, [case(SHAPE, 2, 1, 300)]).refused


def test_pytorch_s_paged_kernel_is_asked_for_what_the_definition_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its arguments carried out as its documentation reads: packed queries, used lengths, a page table."""
    varlen = pytest.importorskip("torch.nn.attention.varlen", reason="this PyTorch has no such kernel")

    def as_documented(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, **options):
        assert cu_seq_k is None
        assert options["window_size"] == (-1, 0)  # causal, the last query at the last key
        assert options["enable_gqa"] == (query.shape[1] != key.shape[2])
        used, table = options["seqused_k"], options["block_table"]
        assert used.dtype == table.dtype == cu_seq_q.dtype == torch.int32
        assert int(used.max()) <= max_k
        parts = []
        for row in range(len(used)):
            q = query[int(cu_seq_q[row]) : int(cu_seq_q[row + 1])]
            assert len(q) <= max_q
            past = used[row : row + 1] - len(q)
            parts.append(reference(q[None], key, value, past, table[row : row + 1], options["scale"])[0])
        return torch.cat(parts)

    monkeypatch.setattr(varlen, "varlen_attn", as_documented)
    for heads, new in ((4, 1), (2, 5)):
        given = case(Shape(heads, 2, 8, torch.float32, torch.device("cpu")), 3, new, 2 * PAGE_TOKENS)
        torch.testing.assert_close(given.by(along_table), given.by(reference))
