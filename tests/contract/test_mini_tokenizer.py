"""The embedded vocabulary cuts text alike in `tokenizers` (training) and in llama.cpp (serving)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName
from engine.ir.request import Message, ModelFile, ModelOptions
from workflows.mini.build import ModelShape, build_model
from workflows.mini.training.corpus import chat_text, stream
from workflows.mini.training.packing import Packer
from workflows.mini.training.tokenizer import load_tokenizer, train
from workflows.mini.vocabulary import load_vocabulary

TINY = ModelShape(width=64, layers=1, heads=2, kv_heads=1, feed_forward=64, context_tokens=2048)


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    path = build_model(tmp_path_factory.mktemp("model") / "tiny.gguf", shape=TINY)
    options = ModelOptions(threads=1, slots=1)
    opened = load_backend(
        ModelFile(name=ModelName("tiny"), backend="llama_cpp", path=str(path), options=options), 1 << 30
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(load_vocabulary())


def test_corpus_is_cut_alike(backend, tokenizer):
    for made in itertools.islice(stream("train"), 150):
        for _, content in (*made.messages, ("assistant", made.answer)):
            assert tuple(tokenizer.encode(content).ids) == backend.tokenize(content)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(
        st.characters(exclude_categories=("Cs", "Cn", "Co"), max_codepoint=0x24FF, exclude_characters="\0"),
        max_size=40,
    )
)
def test_any_text_survives_cutting(backend, tokenizer, text):
    ids = backend.tokenize(text)
    assert tokenizer.decode(list(ids)) == text


def test_prompts_of_training_are_prompts_of_serving(backend, tokenizer):
    packer = Packer(tokenizer, batch_tokens=512, part_tokens=512, seed=0)
    for number, made in zip(range(100), stream("train"), strict=False):
        document = packer.document(number)
        messages = tuple(Message(role=role, content=content) for role, content in made.messages)
        prompt = backend.prompt_tokens(messages)
        assert document.ids[: len(prompt)] == prompt
        assert chat_text(made.messages).startswith("<|im_start|>")
        assert sum(document.weights[: len(prompt)]) == 0


def test_digits_are_cut_into_threes(tokenizer):
    assert tokenizer.encode("61234567.05").tokens == ["612", "345", "67", ".", "05"]
    vocabulary = set(load_vocabulary().tokens)
    assert {f"{number:03}" for number in range(1000)} <= vocabulary


def test_training_the_vocabulary_is_reproducible():
    assert train(range(300)) == train(range(300))


def test_batches_depend_on_their_first_example_alone(tokenizer):
    def packed(first):
        return Packer(tokenizer, batch_tokens=1500, part_tokens=600, seed=1).batch(first)

    one = packed(0)
    two = packed(one.next_example)
    again = packed(one.next_example)
    assert [part.tokens.tolist() for part in two.parts] == [part.tokens.tolist() for part in again.parts]
    assert one.tokens >= 1500
    assert sum(int((part.tokens != 0).sum()) for part in one.parts) == one.tokens
    assert one.answers == sum(float(part.weights[:, 1:].sum()) for part in one.parts)
    positions = [part.positions for part in one.parts]
    assert all((step >= 0).all() for step in positions)
    assert max(int(part.max()) for part in positions) < 2400
