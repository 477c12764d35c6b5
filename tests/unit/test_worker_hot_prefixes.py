"""Which prefixes outlive a model: those shared by several prompts."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from engine.ir.request import Message
from engine.worker.hot_prefixes import MIN_TOKENS, PromptHistory, shared_prefixes

SYSTEM = tuple(range(100, 140))


def test_shared_system_prompt_is_found_and_single_prompts_are_not():
    prompts = [(*SYSTEM, n, n + 1) for n in range(5)] + [tuple(range(900, 980))]
    assert shared_prefixes(prompts, 8) == (SYSTEM,)


def test_repeated_prompt_is_hot_as_a_whole_and_covers_its_own_prefix():
    prompts = [(*SYSTEM, 1, 2, 3)] * 2 + [(*SYSTEM, 9)]
    assert shared_prefixes(prompts, 8) == ((*SYSTEM, 1, 2, 3),)


def test_short_prefixes_are_not_worth_it_and_the_limit_holds():
    assert shared_prefixes([(1, 2, 3, 4), (1, 2, 3, 5)], 8) == ()
    groups = [[(g,) * 30 + (n,) for n in range(g + 2)] for g in range(6)]
    chosen = shared_prefixes([prompt for group in groups for prompt in group], 3)
    assert [prefix[0] for prefix in chosen] == [5, 4, 3]


@given(st.lists(st.lists(st.integers(0, 1), min_size=MIN_TOKENS, max_size=40).map(tuple), max_size=12))
def test_what_is_chosen_is_shared_and_not_nested(prompts):
    chosen = shared_prefixes(prompts, 8)
    for prefix in chosen:
        assert sum(prompt[: len(prefix)] == prefix for prompt in prompts) >= 2
    assert not any(a[: len(b)] == b or b[: len(a)] == a for a, b in combinations(chosen, 2))


def test_history_is_bounded_and_keeps_repeats():
    history = PromptHistory(capacity=3)
    for text in ("a", "b", "b", "c"):
        history.note((Message(role="user", content=text),))
    assert [messages[0].content for messages in history.recent()] == ["b", "b", "c"]
