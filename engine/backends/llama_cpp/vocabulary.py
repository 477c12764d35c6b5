"""Tokens of a loaded model: text to ids as data or as template, ids to bytes."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from engine.backends.llama_cpp.library import api
from engine.errors import BackendError
from engine.kv.radix_tree import Tokens

_RUN = 4096
"""Longest stretch handed to the tokenizer at once: its regular expressions recurse on long runs of one
character class and overflow the stack at about 20,000 characters."""

_BOUNDARY = re.compile(r"(?<=\S)(?=\s\w)")
"""Between a word and a space that begins the next word: every tokenizer splits there anyway."""


_LEAST_MARKER = 3
"""Characters of the shortest markup that a template is taken to mean as a control token."""


class Vocabulary:
    """The vocabulary inside a llama.cpp model; valid as long as the model is.

    `reserved` are the tokens that data never becomes: control tokens, and those user-defined ones that the
    chat template `template` spells out (the library recognises user-defined tokens in any text).
    `prefixes_space`: a stretch of text gets a space put before it, and is merged regardless of words.
    """

    def __init__(self, model: Any, template: str = "") -> None:
        self._vocab = api.llama_model_get_vocab(model)
        self.size: int = api.llama_vocab_n_tokens(self._vocab)
        self.bos: int = api.llama_vocab_bos(self._vocab)
        self.eos: int = api.llama_vocab_eos(self._vocab)
        self.adds_bos = bool(api.llama_vocab_get_add_bos(self._vocab))
        ids = range(self.size)
        self.end_ids = frozenset(t for t in ids if api.llama_vocab_is_eog(self._vocab, t))
        self.control_ids = tuple(t for t in ids if api.llama_vocab_is_control(self._vocab, t))
        self._pieces: dict[int, bytes] = {}
        kind = api.llama_vocab_type(self._vocab)
        self.prefixes_space = kind in (api.LLAMA_VOCAB_TYPE_SPM, api.LLAMA_VOCAB_TYPE_UGM)
        self.strips_left = self._with_attribute(api.LLAMA_TOKEN_ATTR_LSTRIP)
        self.strips_right = self._with_attribute(api.LLAMA_TOKEN_ATTR_RSTRIP)
        defined = self._with_attribute(api.LLAMA_TOKEN_ATTR_USER_DEFINED)
        self.reserved = frozenset(self.control_ids) | {t for t in defined if self._marks(t, template)}

    @property
    def pointer(self) -> Any:
        """For sampler constructors."""
        return self._vocab

    def tokenize(self, text: str) -> Tokens:
        """Ids of `text` as data: control tokens written in it stay plain text."""
        if self.prefixes_space:  # cut, every part would get a space of its own; long runs do no harm
            return self._as_data(text)
        tokens: list[int] = []
        for part in _parts(text):
            tokens += self._as_data(part)
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

    def _with_attribute(self, attribute: int) -> frozenset[int]:
        get = api.llama_vocab_get_attr
        return frozenset(t for t in range(self.size) if get(self._vocab, t) & attribute)

    def _marks(self, token: int, template: str) -> bool:
        spelling = self.spelling(token)
        return len(spelling) >= _LEAST_MARKER and not spelling.isspace() and spelling in template

    def _as_data(self, text: str, *, continues: bool = False) -> Tokens:
        """Ids of `text`, none of them reserved; `continues` leaves out the space put before it.

        Merging can arrive at a control token's spelling. Such text is cut after the spelling's first
        character, and the parts are tokenised one by one.
        """
        tokens = self._tokenize_on(text) if continues else self._tokenize(text, parse_special=False)
        met = self.reserved.intersection(tokens)
        if not met:
            return tokens
        spellings = "|".join(re.escape(self.spelling(token)) for token in met)
        cuts = [
            match.start() + 1 for match in re.finditer(spellings, text) if match.end() - match.start() > 1
        ]
        if not cuts:
            return tuple(token for token in tokens if token not in met)
        found: list[int] = []
        for start, end in pairwise((0, *cuts, len(text))):
            found += self._as_data(text[start:end], continues=continues or start > 0)
        return tuple(found)

    def _tokenize_on(self, text: str) -> Tokens:
        """Ids of `text` as they are in the middle of a line."""
        start = self._tokenize("\n", parse_special=False)
        tokens = self._tokenize("\n" + text, parse_special=False)
        if self.prefixes_space and tokens[: len(start)] == start:
            return tokens[len(start) :]
        return self._tokenize(text, parse_special=False)

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
