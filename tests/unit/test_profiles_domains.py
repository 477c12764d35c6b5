"""How many different calls there are, from what one run showed of them."""

from __future__ import annotations

import random

import pytest

from engine.ir.cost import expected_distinct
from engine.profiles.domains import ENDLESS, LEAST_DRAWN, domain_of


@pytest.mark.parametrize("domain", [1, 2, 7, 35, 400])
@pytest.mark.parametrize("drawn", [16, 64])
def test_a_domain_is_found_again_from_what_its_draws_hold(domain, drawn):
    distinct = expected_distinct(domain, drawn)
    assert distinct <= min(domain, drawn)
    if distinct > drawn - 1:
        return  # nearly all draws differ: nothing can be said
    found = domain_of(drawn, round(distinct))
    assert found is not None
    assert round(expected_distinct(found, drawn)) == round(distinct)
    assert expected_distinct(found, 4 * drawn) == pytest.approx(
        expected_distinct(domain, 4 * drawn), rel=0.25
    )


def test_expected_draws_are_those_of_dice():
    dice = random.Random(1)
    means = sum(len({dice.randrange(35) for _ in range(64)}) for _ in range(400)) / 400
    assert expected_distinct(35, 64) == pytest.approx(means, rel=0.02)


def test_calls_that_never_repeat_are_expected_to_go_on_so():
    assert domain_of(64, 64) == ENDLESS
    assert expected_distinct(ENDLESS, 4096) == pytest.approx(4096, rel=0.01)


def test_a_few_calls_say_nothing():
    assert domain_of(LEAST_DRAWN - 1, 1) is None
    assert expected_distinct(1, 0) == 0
    assert expected_distinct(0.5, 9) == 1
