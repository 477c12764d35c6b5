"""The physical limit of a batch: distinct work at peak rates; and which runs the yardstick makes."""

from __future__ import annotations

import pytest

from bench.workloads.check import cost_texts
from bench.workloads.cost import COSTS, WANTED, relative_costs
from bench.workloads.limit import Peak, distinct_work, limit_s, trie_tokens
from bench.workloads.matrix import all_cells, all_stretches, chosen
from bench.workloads.run_cell import logical_decoded_tokens
from bench.workloads.systems import ABLATIONS
from engine.ir.event import NodeCoalesced, NodeCompleted
from engine.ir.ids import ModelName
from engine.ir.result import Usage
from engine.testing.fixed_answers_calls import Call


def call(model, prompt, tokens=4, text="a"):
    return Call(model=ModelName(model), prompt=prompt, decoded_tokens=tokens, decoded_digest=text)


@pytest.mark.parametrize(
    ("prompts", "tokens"),
    [
        ([], 0),
        ([(1, 2, 3)], 3),
        ([(1, 2, 3), (1, 2, 3)], 3),
        ([(1, 2, 3), (1, 2), (1, 2, 4, 5)], 5),
        ([(2, 1), (1, 2), (1, 3)], 5),
    ],
)
def test_shared_beginnings_count_once(prompts, tokens):
    assert trie_tokens(prompts) == tokens
    assert tokens == len({prompt[:end] for prompt in prompts for end in range(1, len(prompt) + 1)})


def test_equal_calls_are_work_once_and_models_share_nothing():
    calls = [call("S", (1, 2)), call("S", (1, 2)), call("S", (1, 3), 6), call("L", (1, 2))]
    work = distinct_work(calls)
    assert (work["S"].calls, work["S"].prefill_tokens, work["S"].decode_tokens) == (2, 3, 10)
    assert (work["L"].calls, work["L"].prefill_tokens, work["L"].decode_tokens) == (1, 2, 4)
    peaks = {"S": Peak(prefill=3.0, decode=5.0), "L": Peak(prefill=1.0, decode=2.0)}
    assert limit_s(work, peaks) == pytest.approx(1 + 2 + 2 + 2)


def test_the_matrix_holds_every_comparison_once():
    cells = list(all_cells())
    assert len({cell.name for cell in cells}) == len(cells)
    own = [cell for cell in cells if cell.system == "haloctl"]
    assert len(own) == 6 * 2 * 2 * 2
    assert sum(cell.system == "opwise" for cell in cells) == len(own)
    assert {cell.queries for cell in cells if cell.system == "no_merging"} == {64}
    assert {cell.workers for cell in cells if cell.system == "row_by_row"} == {1}


def test_the_most_telling_runs_come_first():
    names = [cell.name for cell in all_cells()]
    assert names[:2] == ["W1-64-1w-all-opwise", "W1-64-1w-all-haloctl"]

    def last(*words):
        return max(place for place, name in enumerate(names) if all(w in name.split("-") for w in words))

    order = [
        last("64", "1w", "all", "haloctl"),
        last("64", "1w", "all", "no_tool_overlap"),
        last("64", "1w", "one", "opwise"),
        last("64", "2w", "all", "haloctl"),
        last("64", "2w", "one", "haloctl"),
        last("16", "1w", "all", "row_by_row"),
        last("64", "1w", "all", "row_by_row"),
        last("64", "2w", "one", "greedy"),
        last("16", "2w", "one", "haloctl"),
        last("64", "1w", "one", "greedy"),
        last("16", "1w", "one", "haloctl"),
    ]
    assert order == sorted(order)
    assert order[-1] == len(names) - 1 == 233


def test_what_is_compared_runs_one_after_another():
    names = [cell.name for cell in all_cells()]
    assert names[:9] == [
        *(f"W1-64-1w-all-{system}" for system in ("opwise", "haloctl", *ABLATIONS)),
        "W1-64-1w-one-opwise",
        "W1-64-1w-one-haloctl",
    ]
    assert [cell.name for cell in next(all_stretches())] == names[:9]


def test_a_stretch_is_of_one_fleet_and_stretches_hold_every_cell():
    stretches = list(all_stretches())
    assert len(stretches) == 36
    assert all(len({cell.fleet for cell in stretch}) == 1 for stretch in stretches)
    assert [cell for stretch in stretches for cell in stretch] == list(all_cells())


def test_costs_are_compared_as_shares_of_what_is_wanted():
    peaks = {name: Peak(prefill=1000 / cost, decode=100 / cost) for name, cost in WANTED.items()}
    assert [text.partition(";  ")[2] for text in cost_texts(peaks)] == [
        f"cost prefill {cost:.1f}  decode {cost:.1f}  call {cost:.1f}  (wanted {cost:g})"
        for cost in (2.0, 3.0, 5.0)
    ]


def test_costs_are_relative_to_the_largest_model_and_averaged_over_measurements():
    slow = {"S": Peak(prefill=10, decode=8), "M": Peak(prefill=5, decode=4), "L": Peak(prefill=2, decode=1)}
    fast = {name: Peak(prefill=4 * peak.prefill, decode=peak.decode) for name, peak in slow.items()}
    fast["S"] = Peak(prefill=160, decode=8)
    assert relative_costs([slow], COSTS["prefill"]) == pytest.approx({"S": 1, "M": 2, "L": 5})
    assert relative_costs([slow, fast], COSTS["prefill"]) == pytest.approx({"S": 0.5, "M": 2, "L": 5})
    assert relative_costs([slow], COSTS["decode"]) == pytest.approx({"S": 5 / 8, "M": 5 / 4, "L": 5})
    whole = 100 / 2 + 25 / 1
    assert relative_costs([slow], COSTS["call"])["S"] == pytest.approx(5 * (100 / 10 + 25 / 8) / whole)


def test_runs_are_chosen_by_words_of_their_names():
    names = [
        cell.name for cell in chosen(all_cells(), only=["W6,64,1w,all,haloctl", "W1,greedy,2w"], quick=False)
    ]
    assert names == ["W6-64-1w-all-haloctl", "W1-64-2w-all-greedy", "W1-64-2w-one-greedy"]
    quick = chosen(all_cells(), only=(), quick=True)
    assert {(cell.queries, cell.workers) for cell in quick} == {(16, 1)}
    assert {cell.system for cell in quick} == {"row_by_row", "opwise", "haloctl"}


def test_logical_decoded_tokens_count_a_call_for_every_row_it_served():
    usage = Usage(prompt_tokens=9, computed_tokens=9, decoded_tokens=5)
    done = {"at": 1.0, "operator": "w/o", "lane": "w0", "started_s": 0.0}
    events = [
        NodeCoalesced(at=1.0, node=3, operator="w/o", leader=1, members=4),
        NodeCompleted(node=1, members=2, usage=usage, **done),
        NodeCompleted(node=2, members=7, **done),
        NodeCoalesced(at=1.0, node=4, operator="w/o", leader=2, members=1),
    ]
    assert logical_decoded_tokens(events) == 5 * 2 + 5 * 4
