"""Rates of a loaded backend through its contract alone: the same for a GPU and the CPU reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from engine.contracts import Backend
from engine.ir.ids import RequestId
from engine.ir.request import Generated, GenerateRequest, Message

SYSTEM = "You answer questions about orders, parts and suppliers from the tables you are given. " * 24
Load = Callable[[int], Backend]
"""A backend with this many slots."""


def questions(count: int, decoded: int, first: int = 0) -> tuple[GenerateRequest, ...]:
    """Requests that share a long beginning and decode exactly `decoded` tokens each."""
    return tuple(
        GenerateRequest(
            id=RequestId(first + number),
            messages=(
                Message(role="system", content=SYSTEM),
                Message(
                    role="user", content=f"{first + number}: which parts of supplier {number * 37} are late?"
                ),
            ),
            max_tokens=decoded,
            ignore_eos=True,
        )
        for number in range(count)
    )


def answer(backend: Backend, requests: Iterable[GenerateRequest]) -> float:
    """Seconds until all are answered. Raises RuntimeError when one fails."""
    asked = tuple(requests)
    since = time.perf_counter()
    for request in asked:
        backend.enqueue(request)
    outputs = []
    while not backend.idle:
        outputs += backend.step()
    took = time.perf_counter() - since
    done = sum(isinstance(output, Generated) and output.finish == "length" for output in outputs)
    if done != len(asked):
        raise RuntimeError(f"{done} of {len(asked)} requests were answered")
    return took


def rates(load: Load, count: int, decoded: int) -> dict[str, float]:
    """Tokens a second for `count` queries together and one at a time, and how near to its peak it decodes.

    `one_at_a_time` asks an eighth of the queries, in a backend of its own, and shares prefixes too.
    `peak_decode` is decoding alone: as many sequences as there are slots, all prompts computed before.
    """
    together = load(count)
    try:
        answer(together, questions(2, 4, first=10_000))  # kernels chosen, memory taken
        before = together.statistics()
        took = answer(together, questions(count, decoded))
        after = together.statistics()
        peak = _peak(together, count, decoded)
    finally:
        together.close()
    alone = load(1)
    try:
        answer(alone, questions(1, 4, first=10_000))
        few = max(1, count // 8)
        alone_s = answer(alone, questions(few, decoded))
    finally:
        alone.close()
    computed, reused = (
        after.computed_tokens - before.computed_tokens,
        after.reused_tokens - before.reused_tokens,
    )
    decode_s = after.decode_s - before.decode_s
    figures = {
        "tokens_per_s": count * decoded / took,
        "one_at_a_time_tokens_per_s": few * decoded / alone_s,
        "decode_tokens_per_s": count * decoded / decode_s if decode_s else 0.0,
        "peak_decode_tokens_per_s": peak,
        "prefill_reused_share": reused / (computed + reused),
    }
    figures["times_one_at_a_time"] = figures["tokens_per_s"] / figures["one_at_a_time_tokens_per_s"]
    figures["share_of_peak_decode"] = figures["tokens_per_s"] / peak
    return figures


def _peak(backend: Backend, count: int, decoded: int) -> float:
    """Tokens a second while every slot decodes and no prompt is computed."""
    for request in questions(count, 2 * decoded, first=20_000):
        backend.enqueue(request)
    prompts = backend.statistics().decoded_tokens + count
    while backend.statistics().decoded_tokens < prompts:
        backend.step()
    since, start = time.perf_counter(), backend.statistics().decoded_tokens
    for _ in range(decoded // 2):
        backend.step()
    rate = (backend.statistics().decoded_tokens - start) / (time.perf_counter() - since)
    while not backend.idle:
        backend.step()
    return rate
