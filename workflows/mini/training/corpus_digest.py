"""A digest of the corpus, by which a checkpoint knows the one it was trained on.

It is taken of examples, not of the files that make them: who tidies a module does not part a run from its
corpus, and who changes a word in it does. Two corpora of one digest differ at most in what is too rare to be
among the examples read here: every phrasing and every form of a workload is drawn several times.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

from workflows.mini.tokenizer import load_tokenizer
from workflows.mini.training.corpus import MAKERS, STAGES, example
from workflows.mini.training.packing import Packer
from workflows.mini.vocabulary import load_vocabulary

_OF_EACH_FAMILY = 400
_OF_EACH_STAGE = 150
_SEED = 0


@cache
def corpus_digest() -> str:
    """Sixteen hexadecimal digits: of examples of every family, the mixtures, and how text becomes tokens.

    Takes about a second, the first time.
    """
    digest = blake2b(repr(STAGES).encode(), digest_size=8)
    for family in MAKERS:
        for index in range(_OF_EACH_FAMILY):
            made = example(index, "train", seed=_SEED, family=family)
            digest.update(repr((made.messages, made.answer, made.followups)).encode())
    packer = Packer(load_tokenizer(load_vocabulary()), batch_tokens=1, part_tokens=1, seed=_SEED)
    for first, _ in STAGES:
        for index in range(first, first + _OF_EACH_STAGE):
            digest.update(repr(packer.document(index)).encode())
    return digest.hexdigest()
