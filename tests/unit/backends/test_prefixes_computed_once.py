"""Groups of prompts that share a beginning, begun while others run: each beginning is computed once."""

from __future__ import annotations

import pytest

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import Generated, GenerateRequest, Message, ModelFile, ModelOptions


@pytest.mark.parametrize("slots", [2, 6])
def test_every_beginning_is_computed_once_though_groups_take_turns(slots):
    options = ModelOptions(slots=slots, context_tokens=2048)
    backend = load_backend(ModelFile(name=ModelName("m"), backend="echo", path="echo", options=options), 0)
    groups = [f"{number}: " + f"analyst {number} " * 60 for number in range(8)]
    prompts = [f"{group} asks {question}" for question in range(6) for group in groups]
    for number, prompt in enumerate(prompts):
        messages = (Message(role="user", content=prompt),)
        backend.enqueue(
            GenerateRequest(id=RequestId(number), messages=messages, max_tokens=8, ignore_eos=True)
        )
    usages = []
    while not backend.idle:
        usages += [output.usage for output in backend.step() if isinstance(output, Generated)]
    computed = sum(usage.computed_tokens for usage in usages)
    beginnings = sum(len(backend.tokenize(group)) for group in groups)
    endings = 60 * len(prompts)
    backend.close()
    assert len(usages) == len(prompts)
    assert computed < beginnings + endings < sum(usage.prompt_tokens for usage in usages) / 2
