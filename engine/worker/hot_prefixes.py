"""Which prompt prefixes of a model are worth keeping when it is unloaded: those several prompts shared."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from engine.ir.request import Message

Tokens = tuple[int, ...]

MIN_TOKENS = 16
"""Shorter prefixes are cheaper to compute than to carry."""


class PromptHistory:
    """The last prompts a model served, as messages; they are tokenised only when the model goes."""

    def __init__(self, capacity: int = 128) -> None:
        self._prompts: deque[tuple[Message, ...]] = deque(maxlen=capacity)

    def note(self, messages: tuple[Message, ...]) -> None:
        """Remember one accepted request."""
        self._prompts.append(messages)

    def recent(self) -> tuple[tuple[Message, ...], ...]:
        """Oldest first; repeats included, since repeats are what makes a prefix hot."""
        return tuple(self._prompts)


def shared_prefixes(prompts: list[Tokens], limit: int) -> tuple[Tokens, ...]:
    """Up to `limit` prefixes common to at least two prompts, those saving most tokens first.

    No prefix returned is a prefix of another one that is: the longer state serves both.
    """
    ordered = sorted(prompts)
    gains: dict[Tokens, int] = {}
    for left, right in pairwise(ordered):
        common = _common(left, right)
        if common >= MIN_TOKENS:
            gains[left[:common]] = gains.get(left[:common], 0) + common
    chosen: list[Tokens] = []
    for prefix in sorted(gains, key=lambda tokens: (-gains[tokens], tokens)):
        if any(_common(prefix, other) == len(prefix) for other in chosen):
            continue
        chosen = [other for other in chosen if _common(prefix, other) < len(other)]
        chosen.append(prefix)
        if len(chosen) == limit:
            break
    return tuple(chosen)


def _common(left: Tokens, right: Tokens) -> int:
    """Length of the common prefix."""
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return min(len(left), len(right))
