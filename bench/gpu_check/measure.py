"""Rates of a loaded backend through its contract alone: the same for a GPU and the CPU reference."""

from __future__ import annotations

import time
from collections.abc import Iterable

from engine.contracts import Backend
from engine.ir.ids import RequestId
from engine.ir.request import Generated, GenerateOutput, GenerateRequest, Message

SYSTEM = "You answer questions about orders, parts and suppliers from the tables you are given. " * 24
ALONE = 4
"""Queries asked one at a time: enough for a rate."""


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
    outputs: list[GenerateOutput] = []
    while not backend.idle:
        outputs += backend.step()
    took = time.perf_counter() - since
    done = sum(isinstance(output, Generated) and output.finish == "length" for output in outputs)
    if done != len(asked):
        raise RuntimeError(f"{done} of {len(asked)} requests were answered")
    return took


def rates(backend: Backend, count: int, decoded: int) -> dict[str, float]:
    """Tokens a second for `count` queries together and one at a time, and how near to its peak it decodes.

    One at a time shares prefixes too. The peak is decoding alone: as many sequences as there are queries, all
    prompts computed before.
    """
    answer(backend, questions(2, 4, first=10_000))  # kernels chosen, memory taken
    before = backend.statistics()
    took = answer(backend, questions(count, decoded))
    after = backend.statistics()
    peak = peak_decode(backend, count, decoded)
    alone_s = sum(answer(backend, [one]) for one in questions(ALONE, decoded, first=30_000))
    computed = after.computed_tokens - before.computed_tokens
    reused = after.reused_tokens - before.reused_tokens
    decode_s = after.decode_s - before.decode_s
    together, alone = count * decoded / took, ALONE * decoded / alone_s
    return {
        "tokens_per_s": together,
        "one_at_a_time_tokens_per_s": alone,
        "times_one_at_a_time": together / alone,
        "decode_tokens_per_s": count * decoded / decode_s if decode_s else 0.0,
        "peak_decode_tokens_per_s": peak,
        "share_of_peak_decode": together / peak,
        "prefill_reused_share": reused / (computed + reused),
    }


def peak_decode(backend: Backend, count: int, decoded: int) -> float:
    """Tokens a second while every slot decodes and no prompt is computed."""
    asked = questions(count, 2 * decoded, first=20_000)
    for request in asked:
        backend.enqueue(request)
    prompts = backend.statistics().decoded_tokens + count
    while backend.statistics().decoded_tokens < prompts:
        backend.step()
    since, start = time.perf_counter(), backend.statistics().decoded_tokens
    for _ in range(max(1, decoded // 2)):
        backend.step()
    rate = (backend.statistics().decoded_tokens - start) / (time.perf_counter() - since)
    for request in asked:
        backend.cancel(request.id)
    while not backend.idle:
        backend.step()
    return rate
