"""Pieces of prompts that may print what an earlier call's did, although nothing says so while planning.

Two rows whose tables come from different calls may still read the same table: the calls name the same year.
How many different calls a producer makes, its domain, was learnt from earlier runs; how many different
beginnings some prompts have follows from that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import NamedTuple, TypeAlias

from engine.ir.cost import expected_distinct


class Draw(NamedTuple):
    """A slot whose value comes from `domain` different ones, counted with all slots before it.

    Prompts of one `group` have the same known values up to there, so their beginnings may be equal.
    """

    group: int
    domain: float
    tokens: float


Draws: TypeAlias = tuple[Draw, ...]
"""Of one prompt, for the slots after those it is known to share with the prompt before it."""

Known: TypeAlias = tuple[str, ...]
"""Values of query inputs that one slot prints."""


def find_draws(
    known: Sequence[Sequence[Known]],
    tokens: Sequence[Sequence[float]],
    alike: Sequence[int],
    domains: Sequence[float | None],
) -> tuple[Draws, ...]:
    """The draws of prompts, each given by what its slots are known to print and the tokens of each slot.

    `alike` counts each prompt's leading slots that its predecessor has too; `domains` are those of the slots,
    infinite where nothing was learnt and None where no producer is read. Nothing comes back when there is
    nothing to draw.
    """
    chain = _chained(domains)
    if not chain:
        return ()
    groups: dict[tuple[Known, ...], int] = {}
    return tuple(
        tuple(
            Draw(groups.setdefault(tuple(values[: slot + 1]), len(groups)), domain, weights[slot])
            for slot, domain in chain.items()
            if slot >= same
        )
        for values, weights, same in zip(known, tokens, alike, strict=True)
    )


def _chained(domains: Sequence[float | None]) -> dict[int, float]:
    """Slot → different beginnings up to it: from the first producer on, to the first nothing is known of."""
    chain: dict[int, float] = {}
    together = 1.0
    for slot, domain in enumerate(domains):
        together *= 1.0 if domain is None else domain
        if together == inf:
            break
        if chain or domain is not None:
            chain[slot] = together
    return chain


def repeated_tokens(draws: Sequence[Draws], distinct: float) -> list[float]:
    """For each prompt, the tokens it is expected to find computed, with nobody before the first.

    `distinct` is the share of the prompts that are computed at all: of those, fewer begin alike.
    """
    drawn = Counter(draw.group for prompt in draws for draw in prompt)
    return [
        sum(draw.tokens * _repeating(draw.domain, drawn[draw.group], distinct) for draw in prompt)
        for prompt in draws
    ]


def _repeating(domain: float, drawn: int, distinct: float) -> float:
    return max(0.0, 1.0 - expected_distinct(domain, drawn) / (drawn * distinct))
