"""Schemas enforced while decoding: one grammar a schema, one matcher a sequence.

The grammar is the very text that llama.cpp gets (`schema_grammar`), so both backends allow the same texts;
llguidance follows it byte by byte over the folder's vocabulary and says which tokens may come next.
"""

from __future__ import annotations

from typing import Any

import llguidance
import llguidance.gbnf_to_lark
import llguidance.numpy
import numpy as np
from numpy.typing import NDArray

from engine.backends.paged.vocabulary import FolderVocabulary
from engine.backends.schema_grammar import grammar_text
from engine.errors import BackendError

_library: Any = llguidance


class _Spelled:
    """The vocabulary in the form that the library reads."""

    def __init__(self, vocabulary: FolderVocabulary) -> None:
        self.eos_token_id = min(vocabulary.end_ids, default=max(vocabulary.eos, 0))
        self.bos_token_id = vocabulary.bos if vocabulary.bos >= 0 else None
        unspoken = vocabulary.reserved | vocabulary.end_ids
        # Only what is text may match a grammar; the library wants control tokens spelled all the same.
        self.tokens = [
            f"<{token}>".encode() if token in unspoken else vocabulary.piece(token)
            for token in range(vocabulary.size)
        ]
        self.special_token_ids = sorted(unspoken)
        self._vocabulary = vocabulary

    def __call__(self, text: bytes | str) -> list[int]:
        return list(
            self._vocabulary.tokenize(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
        )


class Matcher:
    """Where one sequence stands in its grammar."""

    def __init__(self, native: Any, end_ids: frozenset[int], columns: int) -> None:
        self._native = native
        self._end_ids = end_ids
        self._columns = columns

    def accept(self, token: int) -> bool:
        """Move on by a token; False, without moving, when the grammar refuses it. Ends do not move."""
        if token in self._end_ids:
            return self.may_end()
        return bool(self._native.try_consume_tokens([token]) == 1)

    def may_end(self) -> bool:
        """Whether the text so far is whole."""
        return bool(self._native.is_accepting())

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next, one entry a column of the logits."""
        mask = llguidance.numpy.allocate_token_bitmask(1, self._columns)
        mask[:] = 0
        llguidance.numpy.fill_next_token_bitmask(self._native, mask)
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[: self._columns].astype(np.bool_)
        bits[list(self._end_ids)] = self.may_end()
        return bits


class Schemas:
    """Compiled schemas; every request gets a matcher of its own."""

    def __init__(self, vocabulary: FolderVocabulary, columns: int, kept: int = 64) -> None:
        spelled = _library.TokenizerWrapper(_Spelled(vocabulary))
        self._tokenizer = _library.LLTokenizer(spelled, n_vocab=vocabulary.size)
        self._end_ids = vocabulary.end_ids
        self._columns = columns
        self._kept = kept
        self._compiled: dict[str, Any] = {}

    def matcher(self, schema: str) -> Matcher:
        """A fresh matcher. Raises BackendError for a schema that cannot be compiled."""
        compiled = self._compiled.get(schema)
        if compiled is None:
            compiled = self._compile(schema)
            if len(self._compiled) >= self._kept:
                self._compiled.pop(next(iter(self._compiled)))
            self._compiled[schema] = compiled
        return Matcher(compiled.deep_copy(), self._end_ids, self._columns)

    def _compile(self, schema: str) -> Any:
        text = grammar_text(schema)
        try:
            lark = llguidance.gbnf_to_lark.gbnf_to_lark(text)
        except Exception as error:  # the converter raises plain Exception
            raise BackendError(f"schema cannot be compiled: {error}") from error
        native = _library.LLMatcher(self._tokenizer, _library.LLMatcher.grammar_from_lark(lark), log_level=0)
        if native.is_error():
            raise BackendError(f"schema cannot be compiled: {native.get_error()}")
        return native
