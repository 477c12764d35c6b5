"""Examples as batches of tokens: rows of like length together, loss on answers only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workflows.mini.training.corpus import example
from workflows.mini.training.example import Example, Split
from workflows.mini.vocabulary import END_OF_TEXT

Grid = np.ndarray[Any, np.dtype[np.int64]]

_LONGEST_DOCUMENT = 1024
_LONGEST_POSITION = 2400
_JUMPING = 0.25
"""Share of documents with gaps between positions, so that far distances are met without long rows."""


@dataclass(frozen=True)
class Document:
    """Token ids, their positions, and which of them the model is to produce (1.0) or only reads."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Part:
    """Documents of like length, one a row, padded at the end: token ids, positions and weights."""

    tokens: Grid
    positions: Grid
    weights: np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Batch:
    """One optimizer step's documents. `tokens` and `answers` count without padding."""

    parts: tuple[Part, ...]
    tokens: int
    answers: float
    next_example: int


class Packer:
    """Turns the stream of examples into batches of about `batch_tokens` tokens.

    Short and long documents go to different parts, so that attention is computed over few tokens more
    than there are; a part holds about `part_tokens`, which decides speed and nothing else.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        batch_tokens: int,
        part_tokens: int,
        seed: int,
        split: Split = "train",
    ) -> None:
        self._tokenizer = tokenizer
        self._batch_tokens = batch_tokens
        self._part_tokens = part_tokens
        self._seed = seed
        self._split: Split = split
        self._padding = tokenizer.token_to_id(END_OF_TEXT)

    def batch(self, first: int) -> Batch:
        """The batch that begins with example `first`: as many as reach `batch_tokens`."""
        documents: list[Document] = []
        tokens, index = 0, first
        while tokens < self._batch_tokens:
            document = self.document(index)
            index += 1
            if len(document.ids) <= _LONGEST_DOCUMENT:
                documents.append(document)
                tokens += len(document.ids)
        documents.sort(key=lambda document: len(document.ids))
        return Batch(
            parts=tuple(self._parts(documents)),
            tokens=tokens,
            answers=sum(sum(document.weights[1:]) for document in documents),
            next_example=index,
        )

    def _parts(self, documents: list[Document]) -> Iterator[Part]:
        members: list[Document] = []
        for document in documents:
            if members and (len(members) + 1) * len(document.ids) > self._part_tokens:
                yield self._part(members)
                members = []
            members.append(document)
        yield self._part(members)

    def _part(self, members: list[Document]) -> Part:
        # Few distinct lengths: matrix kernels are prepared once for each shape.
        shape = (len(members), -(-len(members[-1].ids) // 16) * 16)
        tokens = np.full(shape, self._padding, dtype=np.int64)
        positions = np.zeros(shape, dtype=np.int64)
        weights = np.zeros(shape, dtype=np.float32)
        for row, document in enumerate(members):
            cells = slice(0, len(document.ids))
            tokens[row, cells] = document.ids
            positions[row, cells] = document.positions
            weights[row, cells] = document.weights
        return Part(tokens, positions, weights)

    def document(self, index: int) -> Document:
        """Example `index` as tokens."""
        made = example(index, self._split, seed=self._seed)
        ids, weights, borders = self._encode(made)
        positions = list(range(len(ids)))
        dice = random.Random(f"{self._seed}/positions/{index}")
        if dice.random() < _JUMPING:
            positions = _with_jumps(dice, positions, borders)
        return Document(tuple(ids), tuple(positions), tuple(weights))

    def _encode(self, made: Example) -> tuple[list[int], list[float], list[int]]:
        ids: list[int] = []
        weights: list[float] = []
        borders: list[int] = []
        turns = [*made.messages, ("assistant", made.answer)]
        for question, answer in made.followups:
            turns += [("user", question), ("assistant", answer)]
        for role, content in turns:
            counts = float(role == "assistant")
            # Contents are tokenised apart from the template around them, as the worker does.
            opening = self._ids(f"<|im_start|>{role}\n")
            body = [*self._ids(content), self._tokenizer.token_to_id("<|im_end|>")]
            ids += opening + body + self._ids("\n")
            weights += [0.0] * len(opening) + [counts] * len(body) + [0.0]
            borders.append(len(ids))
        return ids, weights, borders

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer.encode(text).ids
        return found


def _with_jumps(dice: random.Random, positions: list[int], borders: list[int]) -> list[int]:
    """Positions with up to three gaps, anywhere but most often between turns."""
    spare = _LONGEST_POSITION - len(positions)
    shifted = list(positions)
    for _ in range(dice.randint(1, 3)):
        gap = dice.randint(0, max(0, spare))
        spare -= gap
        start = dice.choice(borders) if dice.random() < 0.5 else dice.randrange(len(shifted))
        shifted = [place + gap if number >= start else place for number, place in enumerate(shifted)]
    return shifted
