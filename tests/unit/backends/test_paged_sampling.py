# ruff: noqa: E402  (without PyTorch, nothing below can be imported)
"""Sampling in batches: settings do what they say, seeds repeat, neighbours do not matter."""

from __future__ import annotations

from collections import Counter

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("llguidance", reason="llguidance is not installed")

from engine.backends.paged import sampling
from engine.backends.paged.sampling import Chooser, choose
from engine.ir.logical import Sampling

LOGITS = torch.tensor([2.0, 1.0, 0.5, -1.0, -30.0])


def pick(*settings: Sampling, recent: list[int] | None = None, banned: tuple[int, ...] = ()) -> list[int]:
    choosers = [Chooser(one, None, banned) for one in settings]
    return choose(LOGITS.repeat(len(settings), 1), choosers, [recent or []] * len(settings), end=4)


def test_greedy_takes_the_likeliest_that_is_not_banned() -> None:
    greedy = Sampling(temperature=0.0)
    assert pick(greedy, greedy) == [0, 0]
    assert pick(greedy, banned=(0,)) == [1]


def test_a_penalty_counts_against_what_was_said() -> None:
    assert pick(Sampling(temperature=0.0, repeat_penalty=3.0), recent=[0, 0]) == [1]
    assert pick(Sampling(temperature=0.0, repeat_penalty=3.0), recent=[3]) == [0]


@pytest.mark.parametrize(
    ("sampling", "possible"),
    [
        (Sampling(temperature=5.0, top_k=2), {0, 1}),
        (Sampling(temperature=5.0, top_p=0.7), {0, 1}),
        (Sampling(temperature=5.0, top_p=0.01), {0}),
        (Sampling(temperature=5.0, min_p=0.2), {0, 1, 2}),
    ],
)
def test_cuts_leave_exactly_the_likely_ones(sampling: Sampling, possible: set[int]) -> None:
    assert set(pick(*[sampling] * 400)) == possible


def test_draws_follow_the_distribution() -> None:
    found = Counter(pick(*(Sampling(temperature=1.0, seed=seed) for seed in range(4000))))
    expected = torch.softmax(LOGITS, 0)
    for token in range(4):
        assert abs(found[token] / 4000 - float(expected[token])) < 0.04


def test_a_seed_gives_the_same_tokens_whoever_is_beside() -> None:
    def texts(neighbours: int) -> list[int]:
        choosers = [Chooser(Sampling(temperature=2.0, seed=11), None, ())]
        choosers += [Chooser(Sampling(temperature=2.0), None, ()) for _ in range(neighbours)]
        rows = len(choosers)
        return [choose(LOGITS.repeat(rows, 1), choosers, [[]] * rows, end=4)[0] for _ in range(20)]

    assert texts(0) == texts(7)
    assert len(set(texts(0))) > 1


def test_rows_drawn_in_parts_for_want_of_memory_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [Sampling(temperature=1.0, seed=seed) for seed in range(9)]
    whole = pick(*settings)
    real, sizes = sampling._inverted, []

    def limited(logits, choosers, points):
        sizes.append(len(choosers))
        if len(choosers) > 2:
            raise torch.OutOfMemoryError("too much to sort")
        return real(logits, choosers, points)

    monkeypatch.setattr(sampling, "_inverted", limited)
    assert pick(*settings) == whole
    assert max(sizes) == 9
    monkeypatch.setattr(
        sampling, "_inverted", lambda *_given: (_ for _ in ()).throw(torch.OutOfMemoryError())
    )
    with pytest.raises(torch.OutOfMemoryError):
        pick(*settings)
