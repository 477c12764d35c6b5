"""Few sequence ids, many crossing prefixes: every request is answered and the tree stays whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import Generated, GenerateRequest, Message, ModelFile, ModelOptions

WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=7).map(" ".join)


@settings(max_examples=15, deadline=None)
@given(prompts=st.lists(WORDS, min_size=100, max_size=160))
def test_prompts_beyond_the_sequence_ids_are_all_answered(prompts):
    file = ModelFile(name=ModelName("m"), backend="echo", path="echo", options=ModelOptions(slots=1))
    backend = load_backend(file, 0)
    answered = []
    for i, prompt in enumerate(prompts):
        message = Message(role="user", content=prompt + "." * (i % 3))
        backend.enqueue(GenerateRequest(id=RequestId(i), messages=(message,), max_tokens=1, ignore_eos=True))
        while not backend.idle:
            answered += [output.id for output in backend.step() if isinstance(output, Generated)]
    assert answered == list(range(len(prompts)))
    backend.close()
