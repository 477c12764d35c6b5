# ruff: noqa: E402  (without PyTorch, nothing below can be imported)
"""Batches of paged networks: what is padded together, and what happens when a device runs out of memory."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from engine.backends.paged.batches import compute_in_parts, padded_groups
from engine.backends.paged.pages import Write
from engine.errors import BackendError


def groups(*writes: tuple[int, int], most: int = 1000, context: int = 4096) -> list[list[int]]:
    rows = [Write(at, start, tokens) for at, (start, tokens) in enumerate(writes)]
    return list(padded_groups(rows, most, context))


def test_single_tokens_go_together_and_others_by_length() -> None:
    assert groups((5, 1), (0, 100), (9, 1), (0, 60), (0, 20)) == [[0, 2], [1, 3], [4]]


def test_a_group_stays_within_a_step_but_a_row_may_be_longer() -> None:
    assert groups((0, 400), (0, 400), (0, 400), (0, 2000)) == [[3], [0, 1], [2]]


def test_nothing_is_padded_beyond_the_context() -> None:
    assert groups((0, 100), (940, 60), (0, 60), context=1024) == [[0], [1, 2]]


class SmallDevice:
    """A network that answers with the last token of each row and is out of memory above `most` tokens."""

    device = torch.device("cpu")

    def __init__(self, most: int, said: str = "") -> None:
        self.most = most
        self.said = said
        self.seen: list[tuple[list[int], int]] = []

    def forward(self, batch):
        if batch.tokens > self.most:
            if self.said:
                raise RuntimeError(self.said)
            raise torch.OutOfMemoryError(f"{batch.tokens} tokens")
        for row, tokens in enumerate(batch.counts):
            self.seen.append((batch.ids[row, :tokens].tolist(), int(batch.past[row])))
        ends = [int(batch.ids[row, tokens - 1]) for row, tokens in enumerate(batch.counts)]
        return torch.tensor(ends, dtype=torch.float32)[:, None]


def test_a_batch_too_large_is_computed_in_halves_in_the_order_of_tokens() -> None:
    network, told = SmallDevice(8), []
    parts = [(list(range(10 * row, 10 * row + 10)), 3, (1,)) for row in range(3)]
    logits = compute_in_parts(network, parts, told.append)
    assert logits[:, 0].tolist() == [9.0, 19.0, 29.0]
    assert told[0] == 30
    for row in range(3):
        mine = [(tokens, past) for tokens, past in network.seen if tokens[0] // 10 == row]
        assert [token for tokens, _ in mine for token in tokens] == parts[row][0]
        at = 3
        for tokens, past in mine:
            assert past == at
            at += len(tokens)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be reported at some other call",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_whoever_runs_out_of_memory_the_batch_is_halved(said: str) -> None:
    told: list[int] = []
    logits = compute_in_parts(SmallDevice(2, said), [([1, 2, 3, 4], 0, (1,))], told.append)
    assert (logits.tolist(), told) == ([[4.0]], [4])
    with pytest.raises(BackendError, match="for a single token"):
        compute_in_parts(SmallDevice(0, said), [([1, 2], 0, (1,))], told.append)


def test_other_errors_of_a_device_are_not_taken_for_shortage() -> None:
    said = "CUDA error: an illegal memory access was encountered"
    with pytest.raises(RuntimeError, match="illegal"):
        compute_in_parts(SmallDevice(0, said), [([1, 2], 0, (1,))], lambda _tokens: None)


def test_a_device_that_takes_no_token_is_an_error_with_a_fix() -> None:
    with pytest.raises(BackendError, match="out of memory") as caught:
        compute_in_parts(SmallDevice(0), [([1, 2, 3], 0, (1,))], lambda _tokens: None)
    assert "kv_cache" in str(caught.value.fix)
