"""Prefix states in host memory: what survives a model switch and moves between workers.

A state travels as one byte string: a header (model digest, tokens, checksum of the rest) and the
runtime's own bytes. The store keeps such strings under a byte budget, least recently used out first.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import msgspec

from engine.kv.radix_tree import RadixTree, Tokens

_FORMAT = 1


class PrefixState(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of `tokens` as the runtime serialised them; valid for one model digest only."""

    digest: str
    tokens: Tokens
    data: bytes
    checksum: bytes = b""
    format: int = _FORMAT


def pack(digest: str, tokens: Tokens, data: bytes) -> bytes:
    """Serialise a state with its header."""
    state = PrefixState(digest=digest, tokens=tokens, data=data, checksum=_checksum(digest, tokens, data))
    return msgspec.msgpack.encode(state)


def unpack(state: bytes) -> PrefixState | None:
    """The state, or None when the bytes are not a whole, unharmed state of this format."""
    try:
        value = msgspec.msgpack.decode(state, type=PrefixState)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if value.format != _FORMAT or value.checksum != _checksum(value.digest, value.tokens, value.data):
        return None
    return value


def _checksum(digest: str, tokens: Tokens, data: bytes) -> bytes:
    hasher = blake2b(digest_size=16)
    hasher.update(digest.encode())
    hasher.update(msgspec.msgpack.encode(tokens))
    hasher.update(data)
    return hasher.digest()


class HostStore:
    """Prefix states by model digest and tokens. `budget_bytes` bounds the sum of state sizes."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self._states: OrderedDict[tuple[str, Tokens], bytes] = OrderedDict()
        self._trees: dict[str, RadixTree] = {}
        self._leaf_ids = 0

    def __len__(self) -> int:
        """Number of states."""
        return len(self._states)

    def put(self, digest: str, tokens: Tokens, state: bytes) -> bool:
        """Keep a packed state; False when it is larger than the whole budget."""
        if len(state) > self.budget_bytes:
            return False
        self._drop((digest, tokens))
        while self.used_bytes + len(state) > self.budget_bytes:
            self._drop(next(iter(self._states)))
        self._states[(digest, tokens)] = state
        self.used_bytes += len(state)
        self._trees.pop(digest, None)
        return True

    def match(self, digest: str, tokens: Tokens) -> tuple[int, bytes] | None:
        """(tokens shared, state) of the kept state that agrees with `tokens` the longest; None if none does.

        The state may hold more tokens than are shared: the taker trims what it does not need.
        """
        tree = self._trees.get(digest)
        if tree is None:
            tree = self._index(digest)
        shared = tree.match(tokens)
        if not shared:
            return None
        node = tree.locate(tokens[:shared])
        leaf = node
        while leaf.sequence is None:
            leaf = next(iter(leaf.children.values()))
        key = (digest, leaf.tokens())
        self._states.move_to_end(key)
        return shared, self._states[key]

    def _index(self, digest: str) -> RadixTree:
        """Tree over one model's states, rebuilt after a change: states change rarely, are asked often."""
        tree = RadixTree()
        longest_first = sorted((k for k in self._states if k[0] == digest), key=lambda k: -len(k[1]))
        for _, tokens in longest_first:
            at = tree.locate(tokens)
            if at.depth < len(tokens):
                self._leaf_ids += 1
                tree.insert(at, tokens[at.depth :], self._leaf_ids)
        self._trees[digest] = tree
        return tree

    def _drop(self, key: tuple[str, Tokens]) -> None:
        state = self._states.pop(key, None)
        if state is not None:
            self.used_bytes -= len(state)
            self._trees.pop(key[0], None)
