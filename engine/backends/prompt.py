"""Prompts as tokens: what the chat template prints may be control tokens, what messages hold never is.

SentencePiece-like vocabularies put a space before every stretch of text and merge freely inside it, so
text between two control tokens is tokenised as one stretch, template and contents together, as llama.cpp
does with a rendered prompt. Byte-pair vocabularies split text into words first; there a content is tokenised
on its own, so that prompts part where their contents do. Tokens then differ from llama.cpp's only where the
template's text beside a content would have merged with it (a content that begins with a newline, after one).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Protocol

from engine.backends.chat_template import ChatTemplate, Content
from engine.errors import ContextOverflow
from engine.ir.request import Message
from engine.kv.radix_tree import Tokens

_CACHED_TEXTS = 128

_SPACE = " \t\n\v\f\r"
"""What C calls space."""


class Vocabulary(Protocol):
    """What prompts are made with. Ids in `reserved` never come from data; those in `strips_left` and
    `strips_right` swallow space on that side. `bos` is -1 where there is none.
    """

    size: int
    bos: int
    adds_bos: bool
    prefixes_space: bool
    """A stretch of text gets a space put before it, and is merged regardless of words."""

    @property
    def reserved(self) -> AbstractSet[int]: ...
    @property
    def strips_left(self) -> AbstractSet[int]: ...
    @property
    def strips_right(self) -> AbstractSet[int]: ...

    def tokenize(self, text: str) -> Tokens:
        """Ids of `text` as data."""
        ...

    def tokenize_template(self, text: str) -> Tokens:
        """Ids of `text` as part of a chat template: control tokens are recognised."""
        ...

    def piece(self, token: int) -> bytes:
        """Bytes of a token, b"" for control tokens."""
        ...

    def spelling(self, token: int) -> str:
        """A token's text, control tokens included; "" for no token."""
        ...


class Prompts:
    """Turns messages into tokens for one model; texts seen before are not tokenised again."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate, context_tokens: int) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._context_tokens = context_tokens
        self._longest_piece = max(len(vocabulary.piece(t)) for t in range(vocabulary.size)) or 1
        self._of_template = lru_cache(maxsize=_CACHED_TEXTS)(vocabulary.tokenize_template)
        self._segments = lru_cache(maxsize=_CACHED_TEXTS)(self._cut)
        self.of_text = lru_cache(maxsize=_CACHED_TEXTS)(vocabulary.tokenize)

    def tokens(self, messages: tuple[Message, ...]) -> Tokens:
        """The prompt, with one beginning-of-sequence token where the model wants it.

        Raises BackendError when the template refuses the messages, ContextOverflow for hopeless lengths.
        """
        for message in messages:
            self._refuse_hopeless(message.content)
        tokens = self._stretches(messages) if self._vocabulary.prefixes_space else self._parts(messages)
        return tuple(self._with_one_beginning(tokens))

    def _parts(self, messages: tuple[Message, ...]) -> list[int]:
        tokens: list[int] = []
        for part in self._template.parts(messages):
            if isinstance(part, Content):
                tokens += self.of_text(part.of(messages))
            else:
                tokens += self._of_template(part.text)
        return tokens

    def _stretches(self, messages: tuple[Message, ...]) -> list[int]:
        tokens: list[int] = []
        stretch, before = "", -1
        for part in self._template.parts(messages):
            if isinstance(part, Content):
                stretch += part.of(messages)
                continue
            for segment in self._segments(part.text):
                if isinstance(segment, str):
                    stretch += segment
                    continue
                tokens += self._stretch(stretch, before, segment)
                tokens.append(segment)
                stretch, before = "", segment
        tokens += self._stretch(stretch, before, -1)
        return tokens

    def _stretch(self, text: str, before: int, after: int) -> Tokens:
        """Text between two control tokens (-1: none); some swallow the space beside them."""
        if before in self._vocabulary.strips_right:
            text = text.lstrip(_SPACE)
        if after in self._vocabulary.strips_left:
            text = text.rstrip(_SPACE)
        return self.of_text(text) if text else ()

    def _cut(self, text: str) -> tuple[int | str, ...]:
        """Template text as control tokens and the text between them."""
        segments: list[int | str] = []
        for token in self._vocabulary.tokenize_template(text):
            if token in self._vocabulary.reserved:
                before, _, text = text.partition(self._vocabulary.spelling(token))
                segments += (before, token)
        return (*segments, text)

    def _with_one_beginning(self, tokens: list[int]) -> list[int]:
        """Templates print the beginning themselves, or leave it to the tokenizer, or some do both."""
        beginning = self._vocabulary.bos
        if beginning < 0:
            return tokens
        while tokens[:2] == [beginning, beginning]:
            del tokens[0]
        if self._vocabulary.adds_bos and tokens[:1] != [beginning]:
            tokens.insert(0, beginning)
        return tokens

    def _refuse_hopeless(self, text: str) -> None:
        """A text longer than the context's worth of longest tokens need not be tokenised to be refused."""
        if len(text) > self._context_tokens * self._longest_piece:
            raise ContextOverflow(
                f"a text of {len(text)} characters exceeds the context of {self._context_tokens} tokens",
                fix="shorten the prompt, or give the model a larger context_tokens",
            )
