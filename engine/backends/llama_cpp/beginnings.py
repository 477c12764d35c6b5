"""Tokens by their first byte, to ask a grammar about few tokens instead of all.

Where a grammar wants a bracket, a comma or a name, nearly every token is refused for its first byte. Asking
for the single bytes first leaves a handful of tokens; asking for a whole vocabulary costs more than a decode
step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.backends.llama_cpp.vocabulary import Vocabulary

Ids = NDArray[np.int32]


class Beginnings:
    """The tokens of a vocabulary under their first bytes.

    `probes` are tokens of exactly one byte each; a grammar that refuses one refuses all tokens that begin so
    (but for negated classes of characters beyond ASCII, where it refuses somewhat more than it must).
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        single: dict[int, int] = {}
        by_byte: dict[int, list[int]] = {}
        for token in range(vocabulary.size):
            piece = vocabulary.piece(token)
            first = piece[0] if piece else -1
            by_byte.setdefault(first, []).append(token)
            if len(piece) == 1:
                single.setdefault(first, token)
        self.probes: Ids = np.array(sorted(single.values()), np.int32)
        of_probe = {token: byte for byte, token in single.items()}
        self._of_probe = [np.array(by_byte[of_probe[token]], np.int32) for token in self.probes.tolist()]
        rest = [token for byte, tokens in by_byte.items() if byte not in single for token in tokens]
        self._unprobed: Ids = np.array(sorted(rest), np.int32)

    def open(self, allowed: NDArray[np.bool_]) -> Ids | None:
        """Tokens to ask for, in order, given which probes are allowed; None when that is nearly all."""
        chosen = np.flatnonzero(allowed).tolist()
        if 2 * len(chosen) > len(self.probes):
            return None
        found = np.concatenate([self._unprobed, *(self._of_probe[at] for at in chosen)])
        found.sort()
        return found
