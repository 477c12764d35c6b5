"""The model file in the package: what it says of itself; that it runs in plain llama.cpp, and as a folder."""

from __future__ import annotations

import json

import gguf
import llama_cpp
import pytest

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import Generated, GenerateRequest, Message, ModelFile, ModelOptions
from haloctl import embedded
from workflows import catalogue
from workflows.mini.training.corpus import example
from workflows.mini.training.example import FAMILIES
from workflows.mini.vocabulary import CHAT_TEMPLATE, load_vocabulary

PATH = embedded.model_path("haloctl-mini")
READER_SYSTEM = (
    "You read questions about the sales of a wholesale supplier and answer with one JSON object."
    " region is where the customers are. segment is their line of business. year is the year of the"
    " orders, 1992 to 1998. focus is what the question asks about first."
)


@pytest.fixture(scope="module")
def reader():
    return gguf.GGUFReader(PATH)


@pytest.fixture(scope="module")
def model():
    opened = llama_cpp.Llama(str(PATH), n_ctx=2048, n_threads=1, verbose=False)
    yield opened
    opened.close()


def field(reader, name):
    return reader.fields[name].contents()


def test_it_is_small_and_llama_shaped(reader):
    assert PATH.stat().st_size <= 16_000_000
    assert field(reader, "general.architecture") == "llama"
    assert field(reader, "general.name") == "haloctl-mini"
    assert field(reader, "general.file_type") == gguf.LlamaFileType.MOSTLY_Q8_0
    assert field(reader, "llama.context_length") >= 2048
    assert 5e6 <= sum(int(tensor.n_elements) for tensor in reader.tensors) <= 15e6


def test_it_brings_its_tokens_template_and_control_tokens(reader):
    vocabulary = load_vocabulary()
    tokens = field(reader, "tokenizer.ggml.tokens")
    assert tokens == list(vocabulary.tokens)
    assert 4000 <= len(tokens) <= 8192
    kinds = field(reader, "tokenizer.ggml.token_type")
    control = {token for token, kind in zip(tokens, kinds, strict=True) if kind == gguf.TokenType.CONTROL}
    assert control == {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}
    assert tokens[field(reader, "tokenizer.ggml.eos_token_id")] == "<|im_end|>"
    assert field(reader, "tokenizer.chat_template") == CHAT_TEMPLATE


def test_plain_llama_cpp_chats_with_it(model):
    question = "Question: Was 1997 a good year for automobile sales in Europe?"
    messages = [{"role": "system", "content": READER_SYSTEM}, {"role": "user", "content": question}]
    answer = model.create_chat_completion(messages, temperature=0, max_tokens=96)
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert json.loads(choice["message"]["content"]) == {
        "region": "EUROPE",
        "segment": "AUTOMOBILE",
        "year": 1997,
        "focus": "revenue",
    }
    assert READER_SYSTEM in " ".join(catalogue.find("market-brief").workflow.read_text().split())


@pytest.mark.slow
def test_its_model_folder_answers_as_the_file_does(tmp_path):
    pytest.importorskip("torch", reason="PyTorch, which computes the reference, is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    from engine.testing import paged_reference
    from workflows.mini.folder import main as write_folder

    assert write_folder([str(PATH), str(tmp_path)]) == 0
    examples = [example(0, "held", family=family) for family in FAMILIES]
    folder = paged_reference.load_backend(model_file("exllamav2", tmp_path), 1 << 28)
    file = load_backend(model_file("llama_cpp", PATH), 1 << 28)
    try:
        texts = [[answer(backend, one.messages) for one in examples] for backend in (folder, file)]
    finally:
        folder.close()
        file.close()
    # Eight bits a weight are the same numbers in both; a sum's order may still turn one near-tie.
    assert sum(left == right for left, right in zip(*texts, strict=True)) >= len(FAMILIES) - 1, texts


def model_file(backend, path):
    options = ModelOptions(threads=1, context_tokens=2048)
    return ModelFile(name=ModelName("haloctl-mini"), backend=backend, path=str(path), options=options)


def answer(backend, messages):
    """A greedy answer of at most 48 tokens."""
    prompt = tuple(Message(role=role, content=content) for role, content in messages)
    backend.enqueue(GenerateRequest(id=RequestId(0), messages=prompt, max_tokens=48))
    while True:
        for output in backend.step():
            if isinstance(output, Generated):
                return output.text
