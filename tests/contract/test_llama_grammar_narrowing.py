"""Asking a grammar about single bytes first loses none of the tokens it allows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import llama_cpp
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.backends.llama_cpp.model import LlamaModel
from engine.backends.llama_cpp.sampler import Candidates, Grammars
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile
from workflows.mini.build import build_model

SCHEMAS = {
    "text": {"type": "object", "properties": {"s": {"type": "string", "maxLength": 12}}, "required": ["s"]},
    "number": {"type": "array", "items": {"type": "integer", "minimum": -7, "maximum": 1200}, "minItems": 3},
    "choice": {"enum": ["SHIP", "RAIL", "AIR REG", 7, None, "é漢", "👍"]},
    "anything": {},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaModel]:
    path = build_model(tmp_path_factory.mktemp("model") / "mini.gguf", size="s")
    opened = LlamaModel(ModelFile(name=ModelName("m"), backend="llama_cpp", path=str(path)))
    yield opened
    opened.close()


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_allowed_token_is_lost(model: LlamaModel, name: str) -> None:
    vocabulary = model.vocabulary
    grammars, candidates = Grammars(vocabulary), Candidates(vocabulary.size)
    logits = np.zeros(vocabulary.size, np.float32)
    everything = np.arange(vocabulary.size, dtype=np.int32)
    random = np.random.default_rng(0)

    def allowed(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        llama_cpp.llama_sampler_apply(grammar, candidates.fill(logits, ids))
        return candidates.left()

    narrowed = 0
    for _ in range(4):
        grammar = grammars.clone(json.dumps(SCHEMAS[name]))
        for _ in range(12):
            possible = everything[allowed(everything)]
            chosen = grammars.beginnings.open(allowed(grammars.beginnings.probes))
            if chosen is not None:
                narrowed += 1
                assert chosen[allowed(chosen)].tolist() == possible.tolist()
            following = [t for t in possible.tolist() if t not in vocabulary.end_ids]
            if not following:
                break
            llama_cpp.llama_sampler_accept(grammar, int(random.choice(following)))
        llama_cpp.llama_sampler_free(grammar)
    grammars.close()
    assert narrowed >= 4
