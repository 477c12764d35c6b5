"""Train the embedded model's byte-level BPE vocabulary on the corpus; its result is committed.

    python -m workflows.mini.training.tokenizer workflows/mini/tokenizer.json

How text is cut before merging is workflows/mini/tokenizer.py's.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import models, pre_tokenizers, trainers

from workflows.mini.tokenizer import PRE_TOKENIZER, empty_tokenizer
from workflows.mini.training.corpus import chat_text, example
from workflows.mini.training.example import Family

VOCABULARY = 4096
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_DIGITS = "0123456789"
_MIX: Mapping[Family, int] = {
    "extract": 20,
    "classify": 14,
    "brief": 32,
    "merge": 11,
    "shape": 15,
    "drill": 8,
}
_EXAMPLES = range(15_000, 35_000)


def train(examples: Iterable[int] = _EXAMPLES) -> dict[str, Any]:
    """Tokens in id order, and merges as "left right" in rank order. Control tokens come first, then bytes,
    then numbers of two and three digits, then what the corpus teaches.
    """
    numbers, number_merges = _numbers()
    tokenizer = empty_tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(numbers),
        min_frequency=2,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(examples), trainer)
    state = json.loads(tokenizer.to_str())["model"]
    learnt = [token for token, _ in sorted(state["vocab"].items(), key=lambda item: item[1])]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in state["merges"]]
    first = len(CONTROL) + 256
    return {
        "control": list(CONTROL),
        "pre_tokenizer": PRE_TOKENIZER,
        "tokens": learnt[:first] + numbers + learnt[first:],
        "merges": number_merges + merges,
    }


def _numbers() -> tuple[list[str], list[str]]:
    """All groups of two and three digits, and merges that make each of them."""
    pairs = ["".join(digits) for digits in itertools.product(_DIGITS, repeat=2)]
    triples = ["".join(digits) for digits in itertools.product(_DIGITS, repeat=3)]
    merges = [f"{pair[0]} {pair[1]}" for pair in pairs]
    for triple in triples:
        # The pair of lower rank merges first, the left one if they are equal.
        left_first = triple[:2] <= triple[1:]
        merges.append(f"{triple[:2]} {triple[2]}" if left_first else f"{triple[0]} {triple[1:]}")
    return pairs + triples, merges


def _texts(examples: Iterable[int]) -> Iterator[str]:
    """The corpus without digits, which have their tokens already."""
    for number in examples:
        made = example(number, "train", seed=1, mix=_MIX)
        yield re.sub(
            r"\d+", " ", re.sub(r"<\|im_(start|end)\|>", "\n", chat_text(made.messages) + made.answer)
        )


def main() -> None:
    """Write the vocabulary to the file named on the command line."""
    vocabulary = train()
    text = json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":"))
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(vocabulary['tokens'])} tokens, {len(vocabulary['merges'])} merges\n")


if __name__ == "__main__":
    main()
