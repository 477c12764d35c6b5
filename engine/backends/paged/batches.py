"""Rows of one step put together: padded where lengths are alike, and cut smaller where a device runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from engine.backends.paged.network import Network, lay_out
from engine.backends.paged.pages import Write
from engine.backends.paged.shortage import named_alike
from engine.errors import BackendError

Part = tuple[list[int], int, tuple[int, ...]]
"""Tokens to compute, tokens of the sequence before them, and the sequence's pages."""


def padded_groups(writes: Sequence[Write], most_tokens: int, context: int) -> Iterator[list[int]]:
    """Places of rows to be computed together, padded to the longest of each group.

    Rows of one token make one group. Others share one while none is padded to more than twice its length or
    beyond the context, and the group stays within `most_tokens`; a row alone may be longer than that.
    """
    counts = [write.tokens for write in writes]
    single = [place for place, count in enumerate(counts) if count == 1]
    if single:
        yield single
    group: list[int] = []
    for place in sorted((at for at, count in enumerate(counts) if count > 1), key=lambda at: -counts[at]):
        width = counts[group[0]] if group else counts[place]
        too_long = 2 * counts[place] < width or writes[place].start + width > context
        if group and (too_long or width * (len(group) + 1) > most_tokens):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def out_of_memory(what: str) -> BackendError:
    """The error of a device on which nothing smaller is left to try."""
    return BackendError(
        f"the device is out of memory {what}",
        fix="lower kv_memory, memory or slots, use a quantised kv_cache, or free the device of others",
    )


def compute_in_parts(network: Network, parts: list[Part], fewer: Callable[[int], None]) -> torch.Tensor:
    """Logits after each part, in one batch or, where memory does not suffice, in smaller ones.

    `fewer` hears of every batch that was too large, in tokens. Raises BackendError when a single token is.
    """
    batch = lay_out(parts)
    try:
        with named_alike():
            return network.forward(batch)
    except torch.OutOfMemoryError:
        pass  # outside of the handler, where the traceback no longer keeps the batch's tensors
    if batch.tokens == 1:
        raise out_of_memory("for a single token")
    fewer(batch.tokens)
    if network.device.type == "cuda":
        torch.cuda.empty_cache()
    if len(parts) > 1:
        half = len(parts) // 2
        first = compute_in_parts(network, parts[:half], fewer)
        return torch.cat((first, compute_in_parts(network, parts[half:], fewer)))
    ((tokens, past, pages),) = parts
    half = len(tokens) // 2
    compute_in_parts(network, [(tokens[:half], past, pages)], fewer)
    return compute_in_parts(network, [(tokens[half:], past + half, pages)], fewer)
