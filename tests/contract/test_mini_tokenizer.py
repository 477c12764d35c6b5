"""The embedded vocabulary cuts text alike in `tokenizers` (training) and in llama.cpp (serving)."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName
from engine.ir.request import Message, ModelFile, ModelOptions
from workflows.films.catalogue import make_tables
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape
from workflows.mini.tokenizer import load_tokenizer
from workflows.mini.training.corpus import chat_text, stream
from workflows.mini.training.packing import Packer
from workflows.mini.training.tokenizer import train
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


def test_japanese_titles_and_emoji_are_spelt_byte_by_byte_and_survive(backend, tokenizer):
    tables = make_tables(0.005)
    titles = [
        title for title in tables["alternative_titles"]["title"] if re.search(r"[\u3040-\u9fff]", title)
    ]
    assert len(titles) > 10
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    emoji = ["\U0001f600", "late again \U0001f621\U0001f621!", f"{family} \u2764\ufe0f \U0001f1ef\U0001f1f5"]
    for text in (*titles, *emoji):
        ids = backend.tokenize(text)
        assert tokenizer.decode(list(ids)) == text
        assert tuple(tokenizer.encode(text).ids) == ids, text
    # No token holds a whole character of theirs: what spells them are the bytes every vocabulary has.
    vocabulary = load_vocabulary().tokens
    spelling = {vocabulary[index] for index in backend.tokenize("\U0001f600")}
    assert spelling <= set(vocabulary[3 : 3 + 256])


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
