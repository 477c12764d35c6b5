"""Admission order: depth first over shared prefixes, leaders before followers."""

from __future__ import annotations

import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from engine.kv.admission import SHARED_TOKENS, Waiting, WaitingQueue
from engine.kv.radix_tree import RadixTree, Tokens, common_prefix

LONG = 2 * SHARED_TOKENS


def prompt(*path: int) -> Tokens:
    """A prompt whose every path element stands for LONG tokens."""
    return tuple(1000 * depth + choice for depth, choice in enumerate(path) for _ in range(LONG))


def nothing_cached(_tokens: Tokens) -> int:
    return 0


def admit_all(queue: WaitingQueue) -> list[Waiting]:
    """Admit one after another, each fully computed and cached before the next is chosen."""
    cached: list[Tokens] = []

    def match(tokens: Tokens) -> int:
        return max((common_prefix(tokens, other) for other in cached), default=0)

    order = []
    while (entry := queue.choose(match, ())) is not None:
        queue.admitted(entry)
        cached.append(entry.tokens)
        order.append(entry)
    return order


def test_requests_sharing_a_prefix_are_admitted_together() -> None:
    queue = WaitingQueue()
    entries = [Waiting(prompt(i % 4, i), i) for i in range(20)]
    for entry in entries:
        queue.add(entry)
    groups = [entry.tokens[0] for entry in admit_all(queue)]
    assert sorted(set(groups), key=groups.index) == [groups[i] for i in range(0, 20, 5)]
    assert len(queue) == 0


def test_first_come_first_served_when_unordered() -> None:
    queue = WaitingQueue(ordered=False)
    entries = [Waiting(prompt(i % 3, i), i) for i in range(9)]
    random.Random(1).shuffle(entries)
    for entry in entries:
        queue.add(entry)
    assert [entry.arrival for entry in admit_all(queue)] == list(range(9))


def test_followers_wait_for_their_leader() -> None:
    queue = WaitingQueue()
    leader, follower, other = (Waiting(prompt(*path), i) for i, path in enumerate(((1, 1), (1, 2), (2, 1))))
    queue.add(follower)
    queue.add(other)
    assert queue.choose(nothing_cached, (leader.tokens,)) == other
    queue.admitted(other)
    assert queue.choose(nothing_cached, (leader.tokens, other.tokens)) is None
    cached = RadixTree()
    cached.insert(cached.root, leader.tokens[:LONG], 0)
    assert queue.choose(cached.match, (leader.tokens,)) == follower


def test_a_whole_group_of_followers_is_skipped() -> None:
    queue = WaitingQueue()
    for i in range(50):
        queue.add(Waiting(prompt(0, 1, i), i))
    free = Waiting(prompt(0, 2, 0), 99)
    queue.add(free)
    cached = RadixTree()
    cached.insert(cached.root, prompt(0), 0)
    assert queue.choose(cached.match, (prompt(0, 1, 77),)) == free


def test_the_group_with_the_longest_cached_prefix_comes_first() -> None:
    queue = WaitingQueue()
    for i in range(6):
        queue.add(Waiting(prompt(i, i), i))
    cached = RadixTree()
    cached.insert(cached.root, prompt(4), 0)
    chosen = queue.choose(cached.match, ())
    assert chosen is not None
    assert chosen.arrival == 4


def test_removing_what_does_not_wait_says_so() -> None:
    for ordered in (True, False):
        queue = WaitingQueue(ordered=ordered)
        queue.add(Waiting((1,), 1))
        assert not queue.remove(Waiting((1,), 2))
        assert queue.remove(Waiting((1,), 1))


PATHS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple), min_size=1, max_size=24)


@given(paths=PATHS, ordered=st.booleans())
@settings(max_examples=80, deadline=None)
def test_everyone_is_admitted_exactly_once(paths: list[tuple[int, ...]], ordered: bool) -> None:
    queue = WaitingQueue(ordered=ordered)
    for arrival, path in enumerate(paths):
        queue.add(Waiting(prompt(*path), arrival))
    assert sorted(entry.arrival for entry in admit_all(queue)) == list(range(len(paths)))


@given(paths=PATHS)
@settings(max_examples=80, deadline=None)
def test_a_cache_of_one_prompt_is_enough(paths: list[tuple[int, ...]]) -> None:
    """The walk is depth first: keeping only the last prompt, each trie edge is computed once."""
    queue = WaitingQueue()
    for arrival, path in enumerate(paths):
        queue.add(Waiting(prompt(*path), arrival))
    kept: list[Tokens] = [()]
    computed = 0

    def match(tokens: Tokens) -> int:
        return common_prefix(tokens, kept[-1])

    while (entry := queue.choose(match, ())) is not None:
        queue.admitted(entry)
        computed += len(entry.tokens) - match(entry.tokens)
        kept.append(entry.tokens)
    trie = {path[:end] for path in paths for end in range(1, len(path) + 1)}
    assert computed == pytest.approx(len(trie) * LONG)


@settings(max_examples=100, deadline=None)
@given(
    prompts=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple), max_size=12),
    asked=st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple),
    ordered=st.booleans(),
)
def test_the_most_shared_with_a_waiting_prompt_is_found(prompts, asked, ordered) -> None:
    queue = WaitingQueue(ordered=ordered)
    for arrival, tokens in enumerate(prompts):
        queue.add(Waiting(tokens, arrival))
    assert queue.shared(asked) == max((common_prefix(asked, tokens) for tokens in prompts), default=0)
