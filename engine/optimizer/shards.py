"""Splitting one operator's nodes over several workers without tearing prefix groups apart."""

from __future__ import annotations

from bisect import bisect_left

from engine.optimizer.prompt_shape import OrderedPrompts

TOLERANCE = 0.25
"""A cut may move this share of a shard to fall between two prefix groups."""


def cut_points(prompts: OrderedPrompts, count: int) -> tuple[int, ...]:
    """Positions 0 = p0 < p1 < … < p_count = n that cut the nodes into `count` shards of about equal size.

    A cut moves to the nearest place where neighbours share no more than the head, if one is near; a
    group larger than that is cut. Needs count ≤ n.
    """
    total = len(prompts.nodes)
    size = total / count
    borders = [i for i in range(1, total) if prompts.shared[i] <= prompts.head_tokens]
    cuts = [0]
    for shard in range(1, count):
        ideal = round(shard * size)
        cut = _nearest(borders, ideal)
        if cut is None or abs(cut - ideal) > TOLERANCE * size:
            cut = ideal
        # Every shard, those still to come included, keeps at least one node.
        cuts.append(min(max(cut, cuts[-1] + 1), total - (count - shard)))
    return (*cuts, total)


def _nearest(borders: list[int], ideal: int) -> int | None:
    at = bisect_left(borders, ideal)
    return min(borders[max(0, at - 1) : at + 1], key=lambda border: abs(border - ideal), default=None)
