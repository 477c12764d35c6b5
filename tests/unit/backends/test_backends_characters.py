"""Which tokens keep a text valid UTF-8."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine.backends.llama_cpp.characters import Characters

BYTES = tuple(bytes([byte]) for byte in range(256))


class Pieces:
    """A vocabulary of the given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.size = len(pieces)

    def piece(self, token: int) -> bytes:
        return self._pieces[token]


def characters(*pieces: bytes) -> Characters:
    return Characters(cast("Any", Pieces(*pieces)))


def state_after(data: bytes) -> bytes | None:
    """State when every byte is a token of its own."""
    vocabulary = characters(*BYTES)
    state: bytes | None = b""
    for byte in data:
        if state is None:
            return None
        state = vocabulary.follow(state, byte)
    return state


@pytest.mark.parametrize("text", ["a", "é", "߿", "ࠀ", "漢", "퟿", "\ue000", "\ufffd", "👍", "\U0010ffff"])
def test_every_character_can_be_spelled_byte_by_byte(text: str) -> None:
    data = text.encode()
    assert state_after(data) == b""
    for length in range(1, len(data)):
        assert state_after(data[:length]) == data[:length]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\xc0",
        b"\xc1",
        b"\xf5",
        b"\xff",
        b"\0",
        b"\xc3a",
        b"\xe0\x9f",  # overlong
        b"\xf0\x8f",
        b"\xed\xa0",  # surrogates
        b"\xed\xbf",
        b"\xf4\x90",  # past the last character
        b"\xe1\x80\xc3",
    ],
)
def test_what_can_never_become_a_character_is_refused_at_once(data: bytes) -> None:
    assert state_after(data[:-1]) is not None
    assert state_after(data) is None


def test_tokens_of_many_bytes_may_end_and_begin_inside_a_character() -> None:
    vocabulary = characters(b"a\xe6", b"\xbc\xa2b\xf0\x9f", b"\x91\x8d", b"", b"x\0y")
    assert vocabulary.follow(b"", 0) == b"\xe6"
    assert vocabulary.follow(b"\xe6", 1) == b"\xf0\x9f"
    assert vocabulary.follow(b"\xf0\x9f", 2) == b""
    assert vocabulary.follow(b"", 3) == b""
    assert vocabulary.follow(b"\xe6", 3) is None
    assert vocabulary.follow(b"", 4) is None


def test_breaking_tokens_are_those_that_follow_refuses_in_every_state() -> None:
    vocabulary = characters(*BYTES, b"\x80\x80", b"\x9f\xbfa", b"ab", "漢".encode(), b"\xa0\x80\x80", b"")
    states = {text.encode()[:cut] for text in "aéࠀ漢퟿\U00010000👍\U0010ffff" for cut in range(4)}
    for state in states - {text.encode() for text in "aéࠀ漢퟿"}:
        refused = [t for t in range(vocabulary._vocabulary.size) if vocabulary.follow(state, t) is None]
        assert vocabulary.breaking(state).tolist() == refused, state
