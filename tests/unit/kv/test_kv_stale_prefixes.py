"""Prefixes that nobody has used for long are dropped before memory is short."""

from __future__ import annotations

import pytest

from engine.kv.admission import Waiting, WaitingQueue
from engine.kv.prefix_cache import COLD_TOKENS, PrefixCache

SHARED = (1, 2, 3, 4, 5, 6, 7, 8)


class NoCells:
    """What the cache asks of a model's memory; the tree alone is looked at here."""

    def copy(self, source: int, target: int, start: int, end: int) -> None: ...

    def remove(self, sequence: int, start: int) -> None: ...


def compute(cache: PrefixCache, tokens: tuple[int, ...]) -> None:
    """One request from its first token to its last."""
    lease = cache.begin(tokens, len(tokens) - 1)
    assert lease is not None
    cache.grow(lease, len(tokens) - lease.matched)
    cache.store(lease, tokens)
    cache.end(lease)


def filled(stale_after: int | None) -> PrefixCache:
    """A cache with a prefix that two requests have shared."""
    cache = PrefixCache(NoCells(), cells=10_000, sequences=64, stale_after=stale_after)
    compute(cache, (*SHARED, 20))
    compute(cache, (*SHARED, 21))
    assert cache.tree.match(SHARED) == len(SHARED)
    return cache


def others(cache: PrefixCache, requests: int, first: int = 100) -> None:
    """Requests of ten tokens that share nothing."""
    for number in range(first, first + requests):
        compute(cache, (number,) * 10)


def test_a_shared_prefix_goes_once_enough_was_computed_without_it():
    cache = filled(stale_after=100)
    others(cache, 8)
    assert cache.tree.match(SHARED) == len(SHARED)
    others(cache, 8, first=200)
    assert cache.tree.match(SHARED) == 0


def test_use_makes_it_young_again():
    cache = filled(stale_after=100)
    for round_ in range(5):
        others(cache, 6, first=100 * (round_ + 1))
        compute(cache, (*SHARED, 1000 + round_))
    assert cache.tree.match(SHARED) == len(SHARED)


def test_a_pinned_prefix_never_goes():
    cache = filled(stale_after=100)
    cache.pin(SHARED)
    others(cache, 50)
    assert cache.tree.match(SHARED) == len(SHARED)


@pytest.mark.parametrize("requests", [8, 16, 50])
def test_where_kept_cells_cost_nothing_it_stays_until_memory_is_short(requests):
    cache = filled(stale_after=None)
    others(cache, requests)
    assert cache.tree.match(SHARED) == len(SHARED)


def test_what_is_kept_stays_bounded_by_what_was_computed_lately():
    cache = PrefixCache(NoCells(), cells=10_000, sequences=64, stale_after=100)
    for number in range(100):
        for ending in range(2):
            compute(cache, (number,) * 9 + (1000 + ending,))
        assert cache.tree.cells <= 100 + 2 * 10


def test_what_a_long_running_request_uses_is_young_when_it_ends():
    cache = filled(stale_after=100)
    leases = [cache.begin((*SHARED, 30 + number), len(SHARED)) for number in range(4)]
    for lease in leases:
        cache.grow(lease, 90)
    for lease in leases:
        cache.end(lease)
    assert cache.tree.match(SHARED) == len(SHARED)


def test_restored_prefixes_leave_one_another_alone():
    cache = PrefixCache(NoCells(), cells=10_000, sequences=64, stale_after=100)
    prefixes = [(number,) * 50 for number in range(16)]
    for prefix in prefixes:
        lease = cache.begin(prefix, 0)
        cache.restore(lease, prefix)
        cache.end(lease)
    assert [cache.tree.match(prefix) for prefix in prefixes] == [50] * 16


def test_the_oldest_goes_first_though_it_became_a_leaf_only_now():
    cache = filled(stale_after=None)
    others(cache, 3)
    while (oldest := next(cache.tree.evictable(), None)) is not None:
        assert oldest.used_at == min(leaf.used_at for leaf in cache.tree.leaves())
        assert cache.make_room(cache.free + 1)


def cold(cache: PrefixCache, numbers: range, tokens: int = 200) -> list[int]:
    """Compute prompts that share nothing; those of which everything is kept."""
    for number in numbers:
        compute(cache, (number,) * tokens)
    return [number for number in numbers if cache.tree.match((number,) * tokens) == tokens]


def test_of_prompts_that_nobody_shares_the_latest_are_kept():
    cache = PrefixCache(NoCells(), cells=10_000, sequences=64)
    assert cold(cache, range(10)) == [8, 9]
    assert cold(cache, range(20, 22), tokens=2 * COLD_TOKENS) == [21]


def test_what_a_waiting_request_will_find_stays():
    queue = WaitingQueue()
    for arrival, number in enumerate((1, 3)):
        queue.add(Waiting((number,) * 150 + (99,), arrival))
    cache = PrefixCache(NoCells(), cells=10_000, sequences=64, stale_after=300, awaited=queue.shared)
    assert cold(cache, range(10)) == [1, 3, 8, 9]
    others(cache, 40)
    assert [number for number in range(10) if cache.tree.match((number,) * 150) == 150] == [1, 3]
    queue.remove(Waiting((3,) * 150 + (99,), 1))
    others(cache, 40, first=500)
    assert [number for number in range(10) if cache.tree.match((number,) * 150) == 150] == [1]
