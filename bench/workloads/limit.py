"""What a batch takes at best: its distinct work at the machine's peak rates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from engine.ir.ids import Record
from engine.testing.fixed_answers_calls import Call


class Work(Record, frozen=True, kw_only=True):
    """Tokens of one model that have to be computed, however calls are arranged.

    prefill: tokens in the trie of all prompts; decode: fixed lengths of distinct calls.
    """

    calls: int
    prefill_tokens: int
    decode_tokens: int


class Peak(Record, frozen=True, kw_only=True):
    """Most tokens a second of one model, all workers together."""

    prefill: float
    decode: float


def distinct_work(calls: Iterable[Call]) -> dict[str, Work]:
    """Model → its distinct work."""
    asked: dict[str, set[tuple[tuple[int, ...], int]]] = defaultdict(set)
    for call in calls:
        asked[call.model].add((call.prompt, call.decoded_tokens))
    return {
        model: Work(
            calls=len(distinct),
            prefill_tokens=trie_tokens([prompt for prompt, _ in distinct]),
            decode_tokens=sum(decoded for _, decoded in distinct),
        )
        for model, distinct in sorted(asked.items())
    }


def trie_tokens(prompts: Iterable[Sequence[int]]) -> int:
    """Tokens to compute when every beginning that prompts share is computed once."""
    total = 0
    before: tuple[int, ...] = ()
    for prompt in sorted(map(tuple, prompts)):
        same = next((i for i, (a, b) in enumerate(zip(before, prompt, strict=False)) if a != b), None)
        total += len(prompt) - (min(len(before), len(prompt)) if same is None else same)
        before = prompt
    return total


def limits(work: Mapping[str, Work], peaks: Mapping[str, Peak]) -> tuple[float, float]:
    """Seconds of the distinct work at the peak rates: prefill's and decoding's."""
    prefill = sum(part.prefill_tokens / peaks[model].prefill for model, part in work.items())
    decode = sum(part.decode_tokens / peaks[model].decode for model, part in work.items())
    return prefill, decode


def limit_s(work: Mapping[str, Work], peaks: Mapping[str, Peak]) -> float:
    """Seconds of the distinct work at the peak rates, one model after another."""
    return sum(limits(work, peaks))
