"""When every sequence is taken, a request waits rather than lose the prefix that it would begin with."""

from __future__ import annotations

from engine.kv.prefix_cache import PrefixCache


class NoCells:
    """What the cache asks of a model's memory; the tree alone is looked at here."""

    def copy(self, source: int, target: int, start: int, end: int) -> None: ...

    def remove(self, sequence: int, start: int) -> None: ...


def test_a_request_waits_for_a_sequence_instead_of_evicting_what_it_matches():
    cache = PrefixCache(NoCells(), cells=100, sequences=3)
    kept = cache.begin((1, 2), 1)
    assert kept is not None
    cache.restore(kept, (1, 2))
    cache.end(kept)
    running = [cache.begin((token,), 0) for token in (7, 8)]
    assert cache.begin((1, 2, 3), 2) is None
    assert cache.tree.match((1, 2)) == 2
    assert running[0] is not None
    cache.end(running[0])
    lease = cache.begin((1, 2, 3), 2)
    assert lease is not None
    assert lease.matched == 2
