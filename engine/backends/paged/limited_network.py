"""A network that runs out of memory as a device does: above so many tokens of a batch."""

from __future__ import annotations

import torch

from engine.backends.paged.network import Batch, Network


class LimitedNetwork:
    """`Network` over `inner`, which it owns. `most_tokens` may be changed at any time; None is no limit."""

    def __init__(self, inner: Network, most_tokens: int | None) -> None:
        self.most_tokens = most_tokens
        self.refused: list[int] = []
        """Sizes of the batches that were too large, in tokens."""
        self._inner = inner
        self.device = inner.device
        self.vocabulary_size = inner.vocabulary_size

    @property
    def blocks(self) -> tuple[torch.Tensor, ...]:
        """The pages of the network behind."""
        return self._inner.blocks

    @blocks.setter
    def blocks(self, blocks: tuple[torch.Tensor, ...]) -> None:
        self._inner.blocks = blocks

    def forward(self, batch: Batch) -> torch.Tensor:
        """Raises torch.OutOfMemoryError above the limit, as PyTorch does when an allocation fails."""
        if self.most_tokens is not None and batch.tokens > self.most_tokens:
            self.refused.append(batch.tokens)
            raise torch.OutOfMemoryError(
                f"CUDA out of memory: tried to compute {batch.tokens} tokens at once"
            )
        return self._inner.forward(batch)

    def close(self) -> None:
        self._inner.close()
