"""Tokens of a loaded model: text to ids as data or as template, ids to bytes."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import Any

from engine.backends.llama_cpp.library import api
from engine.errors import BackendError
from engine.kv.radix_tree import Tokens

_RUN = 4096
"""Longest stretch handed to the tokenizer at once: its regular expressions recurse on long runs of one
character class and overflow the stack at about 20,000 characters."""

_BOUNDARY = re.compile(r"(?<=\S)(?=\s\w)")
"""Between a word and a space that begins the next word: every tokenizer splits there anyway."""


class Vocabulary:
    """The vocabulary inside a llama.cpp model; valid as long as the model is."""

    def __init__(self, model: Any) -> None:
        self._vocab = api.llama_model_get_vocab(model)
        self.size: int = api.llama_vocab_n_tokens(self._vocab)
        self.bos: int = api.llama_vocab_bos(self._vocab)
        self.eos: int = api.llama_vocab_eos(self._vocab)
        self.adds_bos = bool(api.llama_vocab_get_add_bos(self._vocab))
        ids = range(self.size)
        self.end_ids = frozenset(t for t in ids if api.llama_vocab_is_eog(self._vocab, t))
        self.control_ids = tuple(t for t in ids if api.llama_vocab_is_control(self._vocab, t))
        self._pieces: dict[int, bytes] = {}

    @property
    def pointer(self) -> Any:
        """For sampler constructors."""
        return self._vocab

    def tokenize(self, text: str) -> Tokens:
        """Ids of `text` as data: control tokens written in it stay plain text."""
        tokens: list[int] = []
        for part in _parts(text):
            tokens += self._tokenize(part, parse_special=False)
        return tuple(tokens)

    def tokenize_template(self, text: str) -> Tokens:
        """Ids of `text` as part of a chat template: control tokens are recognised."""
        return self._tokenize(text, parse_special=True)

    def piece(self, token: int) -> bytes:
        """Bytes of a token, b"" for control tokens."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._render(token, special=False)
        return piece

    def spelling(self, token: int) -> str:
        """A token's text, control tokens included; "" for no token (-1)."""
        return "" if token < 0 else self._render(token, special=True).decode("utf-8", "replace")

    def _tokenize(self, text: str, *, parse_special: bool) -> Tokens:
        data = text.encode("utf-8", "replace")
        room = len(data) + 2
        for _ in range(2):
            tokens = (ctypes.c_int32 * room)()
            count = api.llama_tokenize(self._vocab, data, len(data), tokens, room, False, parse_special)
            if count >= 0:
                return tuple(tokens[:count])
            room = -count
        raise BackendError(f"text of {len(data)} bytes cannot be tokenised")

    def _render(self, token: int, *, special: bool) -> bytes:
        for room in (64, 4096):
            buffer = ctypes.create_string_buffer(room)
            length = api.llama_token_to_piece(self._vocab, token, buffer, room, 0, special)
            if length >= 0:
                return buffer.raw[:length]
        return b""


def _parts(text: str) -> Iterator[str]:
    """`text` in stretches of at most _RUN characters, cut between words where there are words."""
    start = 0
    while len(text) - start > _RUN:
        cut = start + _RUN
        for boundary in _BOUNDARY.finditer(text, start + _RUN // 2, cut + 1):
            cut = boundary.start()
        yield text[start:cut]
        start = cut
    if start < len(text):
        yield text[start:]
