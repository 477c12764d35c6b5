"""Plans as values: preparation, shards, mechanisms, errors, and what simulation says of them."""

import msgspec
import pytest

from engine.errors import PlanError
from engine.ir.cost import OutputProfile, ToolProfile
from engine.ir.ids import OperatorId
from engine.ir.options import NAIVE, SCHEDULER_NAMES, Mechanisms
from engine.optimizer import SCHEDULERS, consolidate, make_plan
from engine.testing.planning import batch, llm, model_profile, profiles, tool, workflow
from engine.testing.workloads import WORKLOADS, long_chain

GIGABYTE = 1 << 30


def chain():
    return workflow(
        "wf",
        [
            llm("wf", "first", "Extract a keyword from {{ q }}", model="a"),
            tool("wf", "early", "get {{ q }}", kind="http"),
            tool("wf", "late", "get {{ first }}", kind="http"),
            llm("wf", "second", "Summarise {{ early }} and {{ late }}", model="b"),
            tool("wf", "last", "put {{ second }}"),
        ],
        ["last"],
    )


def rows(count):
    return batch("wf", [{"q": f"question {i}"} for i in range(count)])


def world(workers=1, memory_gb=2, **more):
    models = [model_profile(m, load_s=1.0, model_bytes=GIGABYTE) for m in ("a", "b")]
    return profiles(models, workers=workers, memory_bytes=memory_gb * GIGABYTE, **more)


def plan_of(logical, queries, where, **mechanisms):
    return make_plan(consolidate((logical,), queries), where, Mechanisms(**mechanisms))


def test_tools_are_prepared_as_soon_as_what_they_read_is_done():
    plan = plan_of(chain(), rows(4), world())
    assert [epoch.prepare for epoch in plan.epochs] == [("wf/early",), ("wf/late", "wf/last")]
    late = plan_of(chain(), rows(4), world(), overlap_tools=False)
    assert [epoch.prepare for epoch in late.epochs] == [(), ("wf/early", "wf/late", "wf/last")]
    assert late.estimate.makespan_s > plan.estimate.makespan_s


def test_operators_are_sharded_when_workers_would_idle():
    plan = plan_of(chain(), rows(32), world(workers=2))
    assert [len(epoch.assignments) for epoch in plan.epochs] == [2, 2]
    assert [len(a.nodes) for a in plan.epochs[0].assignments] == [16, 16]


def test_a_workflow_of_tools_alone_is_one_epoch_without_assignments():
    logical = workflow("wf", [tool("wf", "t", "get {{ q }}")], ["t"])
    plan = plan_of(logical, rows(3), world())
    assert [(e.assignments, e.prepare) for e in plan.epochs] == [((), ("wf/t",))]
    assert plan.estimate.makespan_s == pytest.approx(0.05)


def test_an_empty_window_has_no_epochs():
    plan = plan_of(chain(), batch("wf", []), world())
    assert plan.epochs == ()
    assert plan.estimate.makespan_s == 0


def test_a_model_no_worker_can_hold_is_a_plan_error_that_names_it():
    with pytest.raises(PlanError, match="model b"):
        plan_of(chain(), rows(1), profiles([model_profile("a")]))
    with pytest.raises(PlanError, match="model a"):
        plan_of(chain(), rows(1), world(memory_gb=0))
    with pytest.raises(PlanError, match="magic"):
        plan_of(chain(), rows(1), world(), scheduler="magic")


def test_resident_models_are_not_loaded_again():
    cold = plan_of(chain(), rows(4), world())
    consolidated = consolidate((chain(),), rows(4))
    warm = make_plan(consolidated, world(), Mechanisms(), prior={"w0": ("a", "b")})
    assert (cold.estimate.model_loads, warm.estimate.model_loads) == (2, 0)
    known = world(resident={"w0": ("a", "b")})
    assert make_plan(consolidated, known, Mechanisms()).estimate.model_loads == 0


def test_profiles_of_outputs_and_tools_move_the_estimate():
    base = plan_of(chain(), rows(16), world()).estimate
    short = world(outputs=[OutputProfile(operator="wf/first", mean_tokens=2.0, source="history")])
    assert plan_of(chain(), rows(16), short).estimate.decode_tokens < base.decode_tokens
    slow = world(tools=[ToolProfile(operator="wf/late", mean_s=9.0, concurrency=16)])
    assert plan_of(chain(), rows(16), slow).estimate.makespan_s > base.makespan_s + 7


def test_slow_tools_hide_behind_inference():
    plan_with = long_chain()
    slow = tuple(msgspec.structs.replace(t, mean_s=2.0, concurrency=32) for t in plan_with.tools)
    models = [model_profile(m, load_s=0.0) for m in "SML"]
    consolidated = consolidate((plan_with.plan,), batch("W3", [{"q": f"topic {i}"} for i in range(64)]))
    quick = make_plan(consolidated, profiles(models), Mechanisms()).estimate
    hidden = make_plan(consolidated, profiles(models, tools=slow), Mechanisms()).estimate
    assert hidden.tool_s > 20
    assert hidden.makespan_s < 1.15 * max(quick.makespan_s, hidden.tool_s)


def test_each_mechanism_pays_in_the_estimate():
    document = "A long report on shipping delays in the northern ports. " * 20
    logical = workflow(
        "wf",
        [llm("wf", "a", "Read {{ doc }} and answer {{ q }}", inputs=("doc", "q"))],
        ["a"],
        inputs=("doc", "q"),
    )
    queries = batch("wf", [{"doc": f"{i % 2} {document}", "q": f"question {i % 8}"} for i in range(32)])
    where = profiles([model_profile("m")])

    def makespan(**mechanisms):
        consolidated = consolidate((logical,), queries, merge=mechanisms.get("merge", True))
        return make_plan(consolidated, where, Mechanisms(**mechanisms)).estimate.makespan_s

    full = makespan()
    assert makespan(merge=False) > full
    assert makespan(prefix_sharing=False) > full
    naive = make_plan(consolidate((logical,), queries, merge=False), where, NAIVE).estimate.makespan_s
    assert naive > 2 * full


@pytest.mark.parametrize("make", WORKLOADS)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_planned_run_is_never_estimated_slower_than_a_baseline(make, workers):
    load = make()
    models = [model_profile(m, load_s=2.0, model_bytes=GIGABYTE) for m in "SML"]
    where = profiles(models, workers=workers, memory_bytes=2 * GIGABYTE, tools=load.tools)
    queries = batch(load.name, [{"q": f"topic {i % 20}"} for i in range(32)])
    consolidated = consolidate((load.plan,), queries)
    best = make_plan(consolidated, where, Mechanisms())
    assert best.planner.startswith("epoch_dp")
    for name in ("greedy", "level", "round_robin", "min_switch"):
        other = make_plan(consolidated, where, Mechanisms(scheduler=name))
        assert best.estimate.makespan_s <= other.estimate.makespan_s / 0.98 + 1e-9


def test_equal_inputs_give_equal_plans_and_digests():
    one, two = (plan_of(chain(), rows(5), world()) for _ in range(2))
    assert one == two
    assert one.digest
    assert one.digest != plan_of(chain(), rows(6), world()).digest
    assert msgspec.json.decode(msgspec.json.encode(one), type=type(one)) == one


def with_domains(where, **domains):
    named = {OperatorId(f"wf/{name}"): domain for name, domain in domains.items()}
    return msgspec.structs.replace(where, domains=named)


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_that_earlier_runs_found_equal_are_expected_to_be_again(workers):
    where = world(workers, outputs=[OutputProfile(operator=OperatorId("wf/second"), mean_tokens=10)])
    all_differ = plan_of(chain(), rows(64), where)
    few = with_domains(where, first=1e6, second=4, late=4)
    plan = plan_of(chain(), rows(64), few)
    assert plan.estimate.makespan_s < all_differ.estimate.makespan_s
    assert plan.estimate.decode_tokens == pytest.approx(64 * 32 + 4 * 10, abs=8)
    assert sum(len(a.nodes) for epoch in plan.epochs for a in epoch.assignments) == 2 * 64
    apart = plan_of(chain(), rows(64), few, merge=False, coalesce=False)
    assert apart.estimate.decode_tokens == all_differ.estimate.decode_tokens
    assert plan_of(chain(), rows(64), with_domains(where, second=1e6)).estimate == all_differ.estimate


def test_a_tool_that_repeats_takes_the_time_of_its_different_calls():
    logical = workflow("wf", [tool("wf", "t", "get {{ q }}", kind="http")], ["t"])
    where = world(tools=[ToolProfile(operator=OperatorId("wf/t"), mean_s=1.0, concurrency=2)])
    assert plan_of(logical, rows(32), where).estimate.makespan_s == pytest.approx(16)
    assert plan_of(logical, rows(32), with_domains(where, t=6)).estimate.makespan_s == pytest.approx(3)


def test_every_scheduler_can_be_named_without_the_planner():
    assert tuple(SCHEDULERS) == SCHEDULER_NAMES
