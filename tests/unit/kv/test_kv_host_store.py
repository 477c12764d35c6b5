"""Prefix states in host memory: budget, recency, integrity."""

from __future__ import annotations

import pytest

from engine.kv.host_store import HostStore, pack, unpack
from engine.kv.slots import SequencePool


def test_a_state_survives_its_journey() -> None:
    state = unpack(pack("digest", (1, 2, 3), b"cells"))
    assert state is not None
    assert (state.digest, state.tokens, state.data) == ("digest", (1, 2, 3), b"cells")


@pytest.mark.parametrize("position", [0, 5, 20, -1])
def test_a_damaged_state_is_refused(position: int) -> None:
    state = bytearray(pack("digest", (1, 2, 3), b"cells" * 20))
    state[position] ^= 1
    assert unpack(bytes(state)) is None


def test_the_longest_agreeing_state_is_found() -> None:
    store = HostStore(10_000)
    store.put("a", (1, 2, 3), b"short")
    store.put("a", (1, 2, 3, 4, 5), b"long")
    store.put("b", (1, 2, 3, 4, 5, 6), b"other model")
    assert store.match("a", (1, 2, 3, 4, 9)) == (4, b"long")
    assert store.match("a", (7,)) is None
    assert store.match("c", (1,)) is None


def test_the_budget_holds_and_the_oldest_leaves() -> None:
    store = HostStore(100)
    for i in range(5):
        assert store.put("a", (i, i), bytes(30))
    assert store.used_bytes <= 100
    assert len(store) == 3
    assert store.match("a", (0, 0)) is None
    assert store.match("a", (2, 2)) is not None
    store.put("a", (9,), bytes(30))
    assert store.match("a", (3, 3)) is None, "2 was just used, so 3 was the oldest"
    assert store.match("a", (2, 2)) is not None
    assert not store.put("a", (8,), bytes(101))


def test_replacing_a_state_frees_its_bytes() -> None:
    store = HostStore(100)
    store.put("a", (1,), bytes(60))
    store.put("a", (1,), bytes(70))
    assert store.used_bytes == 70


def test_sequence_ids_are_handed_out_lowest_first() -> None:
    pool = SequencePool(2)
    assert (pool.take(), pool.take(), pool.take()) == (0, 1, None)
    pool.give_back(0)
    assert pool.available == 1
    with pytest.raises(ValueError, match="not taken"):
        pool.give_back(0)
    with pytest.raises(ValueError, match="at least one"):
        SequencePool(0)
