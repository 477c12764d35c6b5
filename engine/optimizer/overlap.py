"""What one operator's prompts leave in a model's cache for another's."""

from __future__ import annotations

from dataclasses import dataclass

from engine.optimizer.prompt_shape import OrderedPrompts, Weights


@dataclass(frozen=True)
class Overlap:
    """Tokens of one operator's prompts that another operator's prompts already hold.

    `head` is literal text they share, once for each node that begins before it could be had from another;
    `whole` adds what follows it, node by node.
    """

    head: float = 0.0
    whole: float = 0.0


def overlap(earlier: OrderedPrompts, later: OrderedPrompts) -> Overlap:
    """What `later` finds warm after `earlier` ran on the same worker and model."""
    a, b = earlier.shape, later.shape
    length = _common_length(a.head, b.head)
    begun = min(later.at_once, len(later.nodes))
    if length < len(b.head) or length < len(a.head):
        head = begun * later.head_tokens * length / max(1, len(b.head))
        return Overlap(head=head, whole=head)
    depth = 0
    for one, other in zip(a.slots, b.slots, strict=False):
        if one.descriptor != other.descriptor:
            break
        depth += 1
    head = begun * later.head_tokens
    return Overlap(head=head, whole=head + _warm_tokens(earlier, later, depth))


def _warm_tokens(earlier: OrderedPrompts, later: OrderedPrompts, depth: int) -> float:
    """Tokens after the head of distinct chains of `later` that occur in `earlier`, to `depth` slots."""
    warm = {chain[:d] for chain in earlier.identities for d in range(1, depth + 1)}
    weights = Weights(later.shape, 1.0)
    seen = {chain[:d] for chain in later.identities for d in range(1, depth + 1)} & warm
    return sum(weights.tokens(len(chain) - 1, chain[-1]) for chain in seen)


def _common_length(a: str, b: str) -> int:
    shorter = min(len(a), len(b))
    return next((i for i in range(shorter) if a[i] != b[i]), shorter)
