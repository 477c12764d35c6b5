"""The corpus as an endless, seeded stream: example `i` of a split depends on the seed and `i` alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from workflows.mini.training.briefs import brief
from workflows.mini.training.classify import classify
from workflows.mini.training.drills import drill
from workflows.mini.training.example import Example, Family, Split
from workflows.mini.training.extract import extract
from workflows.mini.training.forms import form
from workflows.mini.training.market import market
from workflows.mini.training.merges import merge
from workflows.mini.training.shapes import shape

MAKERS: Mapping[Family, Callable[[random.Random, Split], Example]] = {
    "extract": extract,
    "classify": classify,
    "brief": brief,
    "merge": merge,
    "shape": shape,
    "market": market,
    "drill": drill,
    "form": form,
}
MIX: Mapping[Family, int] = {
    "extract": 38,
    "classify": 30,
    "brief": 56,
    "merge": 23,
    "shape": 40,
    "market": 20,
    "drill": 60,
    "form": 7,
}
"""Parts of each family. Most of what a model gets wrong is a cell of another column or a place lost while
copying; exercises (drills) teach both more densely than the tasks do.
"""
COPYING: Mapping[Family, int] = {**MIX, "drill": 300}
FINISH: Mapping[Family, int] = {**MIX, "extract": 80, "brief": 110, "market": 70, "drill": 40}
STAGES: tuple[tuple[int, Mapping[Family, int]], ...] = ((0, COPYING), (14_000, MIX), (130_000, FINISH))
"""From which example on which mixture holds: copying comes before what is done with it, and what is learnt
last, to keep to the row and to the table that is asked about, has the last word.
"""


def mixture(index: int) -> Mapping[Family, int]:
    """The mixture that example `index` is drawn from."""
    return [mix for first, mix in STAGES if first <= index][-1]


def example(
    index: int,
    split: Split,
    *,
    seed: int = 0,
    family: Family | None = None,
    mix: Mapping[Family, int] | None = None,
) -> Example:
    """Example `index` of a split, of `family`, of `mix`, or of the mixture at that place."""
    dice = random.Random(f"{seed}/{split}/{family}/{index}")
    mix = mix or mixture(index)
    chosen = family or dice.choices(tuple(mix), tuple(mix.values()))[0]
    return MAKERS[chosen](dice, split)


def stream(split: Split, *, seed: int = 0, start: int = 0) -> Iterator[Example]:
    """Examples from number `start` on, without end."""
    index = start
    while True:
        yield example(index, split, seed=seed)
        index += 1


def chat_text(messages: tuple[tuple[str, str], ...]) -> str:
    """A conversation as the model reads it, up to where the assistant's answer begins."""
    turns = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages)
    return f"{turns}<|im_start|>assistant\n"
