"""The seam between a batch and what computes it: a network over pages of key-value cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from engine.backends.paged.pages import PAGE_TOKENS, SCRAP, pages_for


@dataclass(frozen=True)
class Batch:
    """Rows of tokens of several sequences, padded on the right to one width; all tensors on the CPU.

    `ids` (rows, width) int64; `pages` (rows, pages of the longest) int32, SCRAP where a row has fewer;
    `past` (rows) int32: tokens of the sequence that lie in its pages already; `counts`: tokens of each row.
    """

    ids: torch.Tensor
    pages: torch.Tensor
    past: torch.Tensor
    counts: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Tokens to compute, padding included."""
        return int(self.ids.numel())


class Network(Protocol):
    """A loaded network and its pages. Not thread-safe."""

    device: torch.device
    vocabulary_size: int
    """Columns of the logits; at least as many as the tokenizer has tokens."""
    blocks: tuple[torch.Tensor, ...]
    """Everything that a page holds: tensors whose first dimension is the page, the second the token."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Compute the batch into its pages; logits (rows, vocabulary) in float32 after each row's last token.

        Raises torch.OutOfMemoryError; the same tokens may then be given again, in smaller batches.
        """
        ...

    def close(self) -> None:
        """Free weights and pages; idempotent."""
        ...


def lay_out(rows: list[tuple[list[int], int, tuple[int, ...]]]) -> Batch:
    """A batch of rows given as (tokens, past, pages of the sequence)."""
    width = max(len(tokens) for tokens, _, _ in rows)
    longest = max(pages_for(past + width) for _, past, _ in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    pages = torch.full((len(rows), longest), SCRAP, dtype=torch.int32)
    for row, (tokens, past, held) in enumerate(rows):
        assert pages_for(past + len(tokens)) <= len(held), f"row {row} has {len(held)} pages of {PAGE_TOKENS}"
        ids[row, : len(tokens)] = torch.tensor(tokens)
        pages[row, : len(held)] = torch.tensor(held[:longest], dtype=torch.int32)
    past_tokens = torch.tensor([past for _, past, _ in rows], dtype=torch.int32)
    return Batch(ids, pages, past_tokens, tuple(len(tokens) for tokens, _, _ in rows))
