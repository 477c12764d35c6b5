"""Which tokens continue a text of whole characters.

Vocabularies hold single bytes, and a grammar reads bytes less strictly than UTF-8 does: it takes an overlong
form or a surrogate for one character, where a decoder finds several broken ones. So a text under a grammar is
also held to UTF-8 here, token by token.
"""

from __future__ import annotations

import codecs

import numpy as np
from numpy.typing import NDArray

from engine.backends.llama_cpp.vocabulary import Vocabulary

_PARTICULAR = (b"\xe0", b"\xed", b"\xf0", b"\xf4")
"""First bytes after which fewer second bytes are valid than elsewhere."""

_WAITING_FOR = (b"", b"\xc3", b"\xe1", b"\xf1")
"""A start of a character for each number of bytes that it may lack."""


class Characters:
    """UTF-8 over a vocabulary. The state of a text is the bytes of its unfinished last character."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._breaking: dict[bytes, NDArray[np.int32]] = {}

    def follow(self, unfinished: bytes, token: int) -> bytes | None:
        """State after `token`, or None when no text of whole characters can begin so.

        A token without bytes may follow whole characters only. One with a zero byte never may: the
        grammar reads no further than that.
        """
        piece = self._vocabulary.piece(token)
        if not piece or b"\0" in piece:
            return None if unfinished or piece else b""
        data = unfinished + piece
        try:
            _, whole = codecs.utf_8_decode(data, "strict", False)
        except UnicodeDecodeError:
            return None
        rest = data[whole:]
        # Python waits for a third byte before it refuses a surrogate; by then nothing could follow.
        return None if rest[:1] == b"\xed" and rest[1:] >= b"\xa0" else rest

    def breaking(self, unfinished: bytes) -> NDArray[np.int32]:
        """All tokens that `follow` refuses in this state."""
        alike = _representative(unfinished)
        found = self._breaking.get(alike)
        if found is None:
            tokens = [t for t in range(self._vocabulary.size) if self.follow(alike, t) is None]
            found = self._breaking[alike] = np.array(tokens, np.int32)
        return found


def _representative(unfinished: bytes) -> bytes:
    """An unfinished character that the same bytes may follow: there are only eight kinds."""
    if not unfinished or unfinished in _PARTICULAR:
        return unfinished
    first = unfinished[0]
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    return _WAITING_FOR[length - len(unfinished)]
