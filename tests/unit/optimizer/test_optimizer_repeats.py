"""What is expected of prompts whose producers repeat themselves, against dice and against what is known."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir.ids import OperatorId
from engine.ir.options import Mechanisms
from engine.optimizer import consolidate, make_plan
from engine.optimizer.repeats import find_draws, repeated_tokens
from engine.testing.planning import batch, llm, model_profile, profiles, tool, workflow

NODES = 48


def draws_of(domains, tokens, known=None):
    known = known or [((),) * len(domains)] * NODES
    return find_draws(known, [tokens] * len(known), [0] * len(known), domains)


@pytest.mark.parametrize("domains", [(6,), (1,), (6, 4), (40, 3), (3, 400)])
def test_tokens_to_compute_are_those_of_dice(domains):
    tokens = (100.0, 30.0)[: len(domains)]
    dice, thrown = random.Random(1), 0.0
    for _ in range(300):
        rows = [tuple(dice.randrange(domain) for domain in domains) for _ in range(NODES)]
        thrown += sum(weight * len({row[: slot + 1] for row in rows}) for slot, weight in enumerate(tokens))
    expected = NODES * sum(tokens) - sum(repeated_tokens(draws_of(domains, tokens), 1.0))
    assert expected == pytest.approx(thrown / 300, rel=0.03)


def test_only_prompts_that_begin_alike_as_far_as_is_known_can_repeat_a_beginning():
    different = [((f"question {i}",), ()) for i in range(NODES)]
    assert repeated_tokens(draws_of((None, 3.0), (5.0, 100.0), different), 1.0) == [0.0] * NODES
    halves = [((f"question {i % 2}",), ()) for i in range(NODES)]
    repeated = sum(repeated_tokens(draws_of((None, 3.0), (5.0, 100.0), halves), 1.0))
    assert repeated == pytest.approx(100 * (NODES - 6), rel=0.01)


def test_nothing_is_drawn_behind_a_slot_of_which_nothing_was_learnt():
    assert draws_of((float("inf"), 2.0), (5.0, 5.0)) == ()
    assert draws_of((None, None), (5.0, 5.0)) == ()
    assert [len(prompt) for prompt in draws_of((4.0, float("inf"), 2.0), (5.0,) * 3)] == [1] * NODES


def test_many_endless_domains_in_a_row_repeat_nothing():
    assert sum(repeated_tokens(draws_of((1e6,) * 6, (10.0,) * 6), 1.0)) < 0.1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1, 1e6), min_size=1, max_size=4),
    st.floats(0.05, 1.0),
    st.integers(1, 30),
)
def test_no_prompt_repeats_more_than_it_has_and_fewer_calls_repeat_less(domains, distinct, nodes):
    tokens = [7.0] * len(domains)
    found = draws_of(domains, tokens, [((),) * len(domains)] * nodes)
    repeated, of_all = repeated_tokens(found, distinct), repeated_tokens(found, 1.0)
    assert all(0.0 <= tokens_again <= sum(tokens) for tokens_again in repeated)
    assert sum(repeated) <= sum(of_all) + 1e-9


def reader():
    """A model that reads a table first, then a question that differs from row to row."""
    return workflow(
        "wf",
        [tool("wf", "t", "get {{ q }}"), llm("wf", "a", "Read {{ t }} and answer {{ q }}")],
        ["a"],
    )


def estimate(where, **mechanisms):
    queries = batch("wf", [{"q": f"question {i}"} for i in range(64)])
    return make_plan(consolidate((reader(),), queries), where, Mechanisms(**mechanisms)).estimate


def test_tables_that_repeat_are_computed_once_however_many_rows_read_them():
    where = profiles([model_profile("m")])
    few = msgspec.structs.replace(where, domains={OperatorId("wf/t"): 5.0})
    differ, repeat = estimate(where), estimate(few)
    assert repeat.prefill_tokens < differ.prefill_tokens - 55 * 64
    assert repeat.prefill_tokens + repeat.reused_tokens == differ.prefill_tokens + differ.reused_tokens
    assert repeat.makespan_s < differ.makespan_s
    assert estimate(few, coalesce=False) == estimate(where, coalesce=False)
    assert estimate(few, prefix_sharing=False).prefill_s == estimate(where, prefix_sharing=False).prefill_s


def test_prompts_are_as_long_as_earlier_runs_found_them():
    where = profiles([model_profile("m")])
    for mean in (40.0, 300.0):
        learnt = estimate(msgspec.structs.replace(where, prompts={OperatorId("wf/a"): mean}))
        assert learnt.prefill_tokens + learnt.reused_tokens == pytest.approx(64 * mean, abs=1)


def test_calls_in_order_of_arrival_find_nothing_of_those_they_begin_with():
    system = "You are an analyst who reads tables with care. " * 20
    logical = workflow("wf", [llm("wf", "a", "Answer {{ q }}", system=system)], ["a"])
    queries = batch("wf", [{"q": f"question {i}"} for i in range(64)])

    def computed(slots, **mechanisms):
        where = profiles([model_profile("m")], slots=slots)
        plan = make_plan(consolidate((logical,), queries), where, Mechanisms(**mechanisms))
        return plan.estimate.prefill_tokens

    once, head = computed(16), len(system) / 4
    assert computed(16, prefix_order=False) == pytest.approx(once + 15 * head, rel=0.05)
    assert computed(4, prefix_order=False) == pytest.approx(once + 3 * head, rel=0.05)
    assert computed(1, prefix_order=False) == once


def test_a_prefix_that_an_earlier_operator_left_is_found_by_all_that_begin_at_once():
    system = "You are an analyst who reads tables with care. " * 20
    operators = [llm("wf", name, f"{name} {{{{ q }}}}", system=system) for name in ("first", "second")]
    logical = workflow("wf", operators, ["first", "second"])
    queries = batch("wf", [{"q": f"question {i}"} for i in range(16)])
    plan = make_plan(
        consolidate((logical,), queries),
        profiles([model_profile("m")]),
        Mechanisms(prefix_order=False, scheduler="level"),
    )
    first, second = (epoch.estimate.prefill_tokens for epoch in plan.epochs)
    assert second < first / 5
