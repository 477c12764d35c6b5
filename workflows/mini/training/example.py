"""What the corpus is made of: examples, their held-out split, and phrasings with alternatives."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

Split = Literal["train", "held"]
Family = Literal["extract", "classify", "brief", "merge", "shape", "market", "drill", "form"]

FAMILIES: tuple[Family, ...] = ("extract", "classify", "brief", "merge", "shape", "market")
"""The families that are evaluated; drills and forms serve training only."""
_HELD_ONE_IN = 8
_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Example:
    """One conversation and what is right about its first answer.

    `messages` is the prompt as (role, content); `answer` the wanted text. `followups` are further
    (question, answer) turns on the same prompt: more answers for the same reading, in training only.
    `template` names every phrasing used (separated by spaces), `combination` the parameters (by " + "); both
    are kept apart by split.
    """

    family: Family
    domain: str
    template: str
    combination: str
    messages: tuple[tuple[str, str], ...]
    answer: str
    followups: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Phrasings:
    """Templates of one meaning; `[a|b]` inside chooses a wording. `held` ones never occur in training."""

    name: str
    train: tuple[str, ...]
    held: tuple[str, ...]

    def choose(self, dice: random.Random, split: Split) -> tuple[str, str]:
        """A template's identity, and its text with the wordings chosen but its fields still open."""
        texts = self.train if split == "train" else self.held
        index = dice.randrange(len(texts))
        return f"{self.name}/{split}/{index}", worded(dice, texts[index])


def worded(dice: random.Random, text: str) -> str:
    """`text` with each `[a|b]` replaced by one of its alternatives."""
    return _CHOICE.sub(lambda found: dice.choice(found.group(1).split("|")), text)


def is_held(combination: str) -> bool:
    """Whether a combination of parameters is kept out of training; one in eight is."""
    return crc32(combination.encode("utf-8")) % _HELD_ONE_IN == 0


def draw(split: Split, make: Callable[[], str]) -> str:
    """The first combination from `make` that belongs to `split`."""
    while True:
        combination = make()
        if is_held(combination) == (split == "held"):
            return combination
