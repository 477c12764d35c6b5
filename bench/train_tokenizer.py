"""Train the embedded model's byte-level BPE vocabulary; run by a developer, its result is committed.

    python bench/train_tokenizer.py workflows/mini/tokenizer.json

Digits stand alone and words split as in GPT-2 (llama.cpp's pre-tokenizer "smollm"): that splitter is a
hand-written loop, so very long runs of one character class cannot overflow a regular-expression engine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tokenizer_corpus import documents
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 4096
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def train() -> dict[str, list[str]]:
    """Tokens in id order, and merges as "left right" in rank order. Control tokens come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents(8000), trainer)
    state = json.loads(tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(state["vocab"].items(), key=lambda item: item[1])]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in state["merges"]]
    return {"control": list(CONTROL), "tokens": tokens, "merges": merges}


def main() -> None:
    """Write the vocabulary to the file named on the command line."""
    vocabulary = train()
    text = json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":"))
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")
    print(f"{len(vocabulary['tokens'])} tokens, {len(vocabulary['merges'])} merges, {len(text)} characters")


if __name__ == "__main__":
    main()
