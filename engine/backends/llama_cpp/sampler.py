"""Choosing tokens: greedy in numpy for whole batches, everything else through native sampler chains.

Under a grammar the token is sampled first and then checked alone, as checking the whole vocabulary costs
more than a decode step; only when it is refused are the candidates constrained, the likely ones first.
Tokens that would break the text's UTF-8 are refused like those that the grammar refuses.
"""

from __future__ import annotations

import ctypes
import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.backends.llama_cpp.beginnings import Beginnings
from engine.backends.llama_cpp.characters import Characters
from engine.backends.llama_cpp.library import api
from engine.backends.llama_cpp.vocabulary import Vocabulary
from engine.backends.schema_grammar import grammar_text
from engine.errors import BackendError
from engine.ir.logical import Sampling
from engine.ir.request import GenerateRequest

_LIKELY = 64
_PENALTY_WINDOW = 64
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])

Logits = NDArray[np.float32]


class Grammars:
    """Compiled grammars by schema text; every request gets a clone with state of its own."""

    def __init__(self, vocabulary: Vocabulary, kept: int = 64) -> None:
        self._vocabulary = vocabulary
        self._compiled: dict[str, Any] = {}
        self._kept = kept
        self.characters = Characters(vocabulary)
        self.beginnings = Beginnings(vocabulary)

    def clone(self, schema: str) -> Any:
        """A fresh grammar sampler; the caller frees it. Raises BackendError for an unusable schema."""
        compiled = self._compiled.get(schema)
        if compiled is None:
            text = grammar_text(schema).encode()
            compiled = api.llama_sampler_init_grammar(self._vocabulary.pointer, text, b"root")
            if not compiled:
                raise BackendError("schema cannot be compiled: the library refuses its grammar")
            if len(self._compiled) >= self._kept:
                api.llama_sampler_free(self._compiled.pop(next(iter(self._compiled))))
            self._compiled[schema] = compiled
        return api.llama_sampler_clone(compiled)

    def close(self) -> None:
        """Free all compiled grammars."""
        for compiled in self._compiled.values():
            api.llama_sampler_free(compiled)
        self._compiled.clear()


class Candidates:
    """Room for one vocabulary of (id, logit) pairs, shared by all requests of a model."""

    def __init__(self, size: int) -> None:
        self._all = np.arange(size, dtype=np.int32)
        self._array = np.zeros(size, _CANDIDATE)
        self._ids = self._array["id"]
        self._logits = self._array["logit"]
        self._native = api.llama_token_data_array()
        self._first = ctypes.cast(self._array.ctypes.data, ctypes.POINTER(api.llama_token_data))
        self._reference = ctypes.byref(self._native)

    def fill(self, logits: Logits, ids: NDArray[np.int32] | None = None) -> Any:
        """A native array of all tokens, or of `ids`, to hand to `llama_sampler_apply`."""
        chosen = self._all if ids is None else ids
        size = len(chosen)
        self._ids[:size] = chosen
        self._logits[:size] = logits if ids is None else logits[ids]
        return self._hand_over(size)

    def fill_one(self, token: int) -> Any:
        """A native array of one token that is as good as any."""
        data = self._first[0]
        data.id, data.logit = token, 1.0
        return self._hand_over(1)

    def _hand_over(self, size: int) -> Any:
        native = self._native
        native.data, native.size, native.selected, native.sorted = self._first, size, -1, False
        return self._reference

    def left(self) -> NDArray[np.bool_]:
        """Which candidates are not ruled out, in the order they were filled in."""
        kept: NDArray[np.bool_] = self._logits[: self._native.size] > -np.inf
        return kept

    def selected(self) -> int:
        """Token a sampler chain chose."""
        return int(self._native.data[self._native.selected].id)

    def best(self) -> int | None:
        """The likeliest token not ruled out, lowest id first among equals; None when all are."""
        at = int(self._logits[: self._native.size].argmax())
        return int(self._ids[at]) if self._logits[at] > -np.inf else None


class TokenSampler:
    """One request's sampling state. `chain` is None for plain greedy choice."""

    def __init__(
        self, request: GenerateRequest, vocabulary: Vocabulary, grammars: Grammars, candidates: Candidates
    ) -> None:
        self._candidates = candidates
        self._end = min(vocabulary.end_ids, default=-1)
        self._end_ids = vocabulary.end_ids
        self._forbidden = _forbidden(request, vocabulary)
        self.grammar = grammars.clone(request.schema) if request.schema is not None else None
        self._characters = grammars.characters
        self._beginnings = grammars.beginnings
        self._unfinished = b""
        self.chain = _chain(request.sampling, vocabulary.size)

    @property
    def simple(self) -> bool:
        """Whether the token is just the likeliest one, so that whole batches can be decided at once."""
        return self.chain is None and self.grammar is None and self._forbidden is None

    def sample(self, logits: Logits) -> int:
        """The next token; the end of text when the grammar leaves nothing else. Changes `logits`."""
        if self._forbidden is not None:
            logits[self._forbidden] = -np.inf
        token = self._choose(logits)
        if self.grammar is not None and not self._allows(token):
            logits[self._characters.breaking(self._unfinished)] = -np.inf
            constrained = self._constrained(logits)
            if constrained is None:
                return self._end
            token = constrained
        if self.chain is not None:
            api.llama_sampler_accept(self.chain, token)
        if self.grammar is not None and token not in self._end_ids:
            api.llama_sampler_accept(self.grammar, token)
            self._unfinished = self._characters.follow(self._unfinished, token) or b""
        return token

    def may_end(self) -> bool:
        """Whether the grammar accepts the text so far as whole."""
        return self.grammar is not None and self._end >= 0 and self._allows(self._end)

    def end_grammar(self) -> None:
        """Go on without the grammar."""
        if self.grammar is not None:
            api.llama_sampler_free(self.grammar)
            self.grammar = None

    def close(self) -> None:
        """Free native state; idempotent."""
        self.end_grammar()
        if self.chain is not None:
            api.llama_sampler_free(self.chain)
            self.chain = None

    def _choose(self, logits: Logits) -> int:
        if self.chain is None:
            return int(logits.argmax())
        api.llama_sampler_apply(self.chain, self._candidates.fill(logits))
        return self._candidates.selected()

    def _allows(self, token: int) -> bool:
        if self._characters.follow(self._unfinished, token) is None:
            return False
        api.llama_sampler_apply(self.grammar, self._candidates.fill_one(token))
        return bool(self._candidates.left()[0])

    def _constrained(self, logits: Logits) -> int | None:
        """The choice among the tokens that the grammar allows; None when there are none."""
        candidates = self._candidates
        ids = self._open(logits)
        if self.chain is None:
            for likely in (_likeliest(logits, ids), ids):
                api.llama_sampler_apply(self.grammar, candidates.fill(logits, likely))
                found = candidates.best()
                if found is not None:
                    return found
            return None
        native = candidates.fill(logits, ids)
        api.llama_sampler_apply(self.grammar, native)
        if candidates.best() is None:
            return None
        api.llama_sampler_apply(self.chain, native)
        return candidates.selected()

    def _open(self, logits: Logits) -> NDArray[np.int32] | None:
        """Tokens that begin as the grammar allows; None for all."""
        probes = self._beginnings.probes
        api.llama_sampler_apply(self.grammar, self._candidates.fill(logits, probes))
        return self._beginnings.open(self._candidates.left())


def _likeliest(logits: Logits, ids: NDArray[np.int32] | None) -> NDArray[np.int32] | None:
    """The likely ones of `ids` (None: all), which usually suffice; `ids` when those are not many more."""
    scores = logits if ids is None else logits[ids]
    if len(scores) <= 4 * _LIKELY:
        return ids
    likely = np.argpartition(scores, -_LIKELY)[-_LIKELY:].astype(np.int32)
    likely.sort()
    return likely if ids is None else ids[likely]


def _forbidden(request: GenerateRequest, vocabulary: Vocabulary) -> NDArray[np.int32] | None:
    """Tokens this request may never produce."""
    banned: set[int] = set()
    if request.ignore_eos:
        banned |= vocabulary.end_ids
    if request.schema is not None:  # a grammar would take a control token's spelling for text
        banned |= set(vocabulary.control_ids) - vocabulary.end_ids
    return np.array(sorted(banned), np.int32) if banned else None


def _chain(sampling: Sampling, vocabulary_size: int) -> Any:
    """A native chain, or None when the choice is greedy and unpenalised."""
    greedy = sampling.temperature <= 0
    if greedy and sampling.repeat_penalty == 1.0:
        return None
    params = api.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = api.llama_sampler_chain_init(params)

    def add(sampler: Any) -> None:
        api.llama_sampler_chain_add(chain, sampler)

    if sampling.repeat_penalty != 1.0:
        add(
            api.llama_sampler_init_penalties(
                vocabulary_size, _PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0
            )
        )
    if greedy:
        add(api.llama_sampler_init_greedy())
        return chain
    if sampling.top_k > 0:
        add(api.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1.0:
        add(api.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0.0:
        add(api.llama_sampler_init_min_p(sampling.min_p, 1))
    add(api.llama_sampler_init_temp(sampling.temperature))
    seed = secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
    add(api.llama_sampler_init_dist(seed))
    return chain
