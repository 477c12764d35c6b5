"""The embedded vocabulary as a `tokenizers.Tokenizer`, for training and for model folders.

Runs of digits are cut into threes from the left and every such group is one token: a figure is copied in
few tokens, and a group seldom occurs twice in a table, so that the place to copy from is easy to find.
Words split as in Llama 3, whose splitter is a hand-written loop in llama.cpp: long runs of one character
class cannot overflow a regular-expression engine.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from workflows.mini.vocabulary import Vocabulary

PRE_TOKENIZER = "llama-bpe"
"""llama.cpp's name of the split below."""
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def load_tokenizer(vocabulary: Vocabulary) -> Any:
    """The vocabulary as a `tokenizers.Tokenizer` that cuts text as llama.cpp does."""
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    merges = [(left, right) for left, _, right in (merge.partition(" ") for merge in vocabulary.merges)]
    tokenizer = empty_tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=True))
    tokenizer.add_special_tokens(list(vocabulary.control))
    return tokenizer


def empty_tokenizer(model: Any) -> Any:
    """A tokenizer around merges, learnt or still to be learnt, that cuts text as llama.cpp does."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
