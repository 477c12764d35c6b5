"""Requests decode in streams of their own once their prompt is computed, where the memory has room for it."""

from __future__ import annotations

import pytest

from engine.ir.ids import RequestId
from engine.ir.request import Generated, GenerateRequest, Message
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

SHAPE = ModelShape(width=64, layers=2, heads=2, kv_heads=1, feed_forward=128, context_tokens=2048)
SYSTEM = Message(role="system", content="You are a careful analyst of orders, parts and suppliers. " * 4)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return build_model(tmp_path_factory.mktemp("model") / "m.gguf", shape=SHAPE)


@pytest.fixture
def load(path, open_llama):
    def open_backend(cells, context_tokens=1024):
        kv_bytes = 2 * 2 * SHAPE.layers * SHAPE.kv_heads * SHAPE.head_width
        return open_llama(path, slots=4, context_tokens=context_tokens, kv_budget_bytes=cells * kv_bytes)

    return open_backend


def ask(number, words=8, max_tokens=24):
    user = Message(role="user", content=f"Question {number}: " + "which part? " * words)
    return GenerateRequest(
        id=RequestId(number), messages=(SYSTEM, user), max_tokens=max_tokens, ignore_eos=True
    )


def texts(backend, requests):
    for request in requests:
        backend.enqueue(request)
    found = {}
    while not backend.idle:
        found |= {o.id: o for o in backend.step() if isinstance(o, Generated)}
    return {number: (output.text, output.usage.decoded_tokens) for number, output in found.items()}


def test_a_request_says_the_same_in_a_stream_as_beside_others_cells(load):
    with_streams, without = load(8192), load(2048)
    assert with_streams.statistics().cells_total == 8192
    for number in range(3):
        assert texts(with_streams, [ask(number)]) == texts(without, [ask(number)])


def test_a_running_request_has_its_prompt_in_the_cache_and_in_its_stream(load):
    for cells, copies in ((8192, 2), (2048, 1)):
        backend = load(cells)
        prompt = len(backend.prompt_tokens(ask(1).messages))
        backend.enqueue(ask(1))
        while backend.statistics().decoded_tokens < 4:
            backend.step()
        assert copies * prompt <= backend.statistics().cells_used <= copies * prompt + 4


def test_many_requests_share_prompts_and_leave_no_cells_of_their_own(load):
    backend = load(8192)
    requests = [ask(number, max_tokens=8 + number) for number in range(20)]
    found = texts(backend, requests)
    assert {number: decoded for number, (_, decoded) in found.items()} == {n: 8 + n for n in range(20)}
    prompts = [backend.prompt_tokens(request.messages) for request in requests]
    trie = len({prompt[:end] for prompt in prompts for end in range(1, len(prompt) + 1)})
    statistics = backend.statistics()
    assert trie <= statistics.computed_tokens <= 1.1 * trie
    assert statistics.cells_used <= trie


def test_a_long_shared_beginning_is_computed_once(load):
    """The first prompt leaves the cache to the others before it is done, and none of them runs meanwhile."""
    backend = load(16384, context_tokens=2048)
    start = "column value; " * 180
    requests = [
        GenerateRequest(
            id=RequestId(number),
            messages=(Message(role="user", content=f"{start} Row {number}?"),),
            max_tokens=8,
            ignore_eos=True,
        )
        for number in range(6)
    ]
    prompts = [backend.prompt_tokens(request.messages) for request in requests]
    assert len(prompts[0]) > 1024
    texts(backend, requests)
    trie = len({prompt[:end] for prompt in prompts for end in range(1, len(prompt) + 1)})
    assert backend.statistics().computed_tokens <= 1.05 * trie


def test_few_prompts_that_nobody_shares_stay(load):
    backend = load(8192)
    for number in range(12):
        user = Message(role="user", content=f"{number} begins like no other. " + f"word{number} " * 60)
        texts(
            backend, [GenerateRequest(id=RequestId(number), messages=(user,), max_tokens=4, ignore_eos=True)]
        )
    prompt = len(backend.prompt_tokens((user,)))
    assert backend.statistics().cells_used <= 5 * prompt


def test_a_request_longer_than_a_stream_decodes_where_its_prompt_is(load):
    backend = load(6144)  # 768 in a stream
    short, long = ask(1, words=8), ask(2, words=8, max_tokens=1024 - 200)
    long_tokens = len(backend.prompt_tokens(long.messages)) + long.max_tokens
    assert long_tokens <= 1024
    found = texts(backend, [short, long])
    assert {number: decoded for number, (_, decoded) in found.items()} == {1: 24, 2: 824}


def test_cancelled_requests_give_their_stream_back(load):
    backend = load(8192)
    for number in range(12):  # three times as many as there are streams
        backend.enqueue(ask(number, max_tokens=200))
        for _ in range(4):
            backend.step()
        backend.cancel(RequestId(number))
        backend.step()
    assert len(texts(backend, [ask(100 + number) for number in range(8)])) == 8
