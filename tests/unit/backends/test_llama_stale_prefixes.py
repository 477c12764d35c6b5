"""What a model's shape makes of a prefix that nobody uses: a small one drops it, a wide one keeps it."""

from __future__ import annotations

import pytest

from engine.ir.ids import RequestId
from engine.ir.request import Generated, GenerateRequest, Message
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

SYSTEM = Message(role="system", content="You are a careful analyst of orders, parts and suppliers. " * 8)
NARROW = ModelShape(width=64, layers=2, heads=2, kv_heads=1, feed_forward=128)
WIDE = ModelShape(width=256, layers=2, heads=2, kv_heads=1, feed_forward=512)
OTHERS = 12
"""Prompts of about a hundred tokens: more than NARROW waits for, and less than WIDE does."""


@pytest.fixture
def load(tmp_path, open_llama):
    def open_backend(shape):
        path = build_model(tmp_path / f"{shape.width}.gguf", shape=shape)
        return open_llama(path, slots=2, context_tokens=1024)

    return open_backend


def reused(backend, number, *, system):
    """Answer one request, and say how many tokens of its prompt were there."""
    user = Message(role="user", content=f"{number} " + f"which part of {number}? " * 20)
    messages = (SYSTEM, user) if system else (user,)
    backend.enqueue(GenerateRequest(id=RequestId(number), messages=messages, max_tokens=1, ignore_eos=True))
    while not backend.idle:
        for output in backend.step():
            if isinstance(output, Generated):
                found = output.usage.reused_tokens
    return found


@pytest.mark.parametrize(("shape", "kept"), [(NARROW, False), (WIDE, True)])
def test_a_shared_prefix_is_dropped_once_it_cost_more_than_it_is_worth(load, shape, kept):
    backend = load(shape)
    prefix = len(backend.tokenize(SYSTEM.content))
    reused(backend, 1, system=True)
    assert reused(backend, 2, system=True) >= prefix
    for number in range(OTHERS):
        reused(backend, 100 + number, system=False)
    assert (reused(backend, 3, system=True) >= prefix) == kept
