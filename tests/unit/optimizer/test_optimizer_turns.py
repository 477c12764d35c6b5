"""Operator by operator: no operator begins before all in front of it are done, and estimates know it."""

from itertools import pairwise

import pytest

from engine.ir.cost import ToolProfile
from engine.ir.ids import OperatorId
from engine.ir.options import Mechanisms
from engine.optimizer import consolidate, make_plan
from engine.optimizer.turns import Turns
from engine.testing.planning import batch, llm, model_profile, profiles, tool, workflow


def test_a_turn_ends_with_its_last_node_and_gives_back_who_waited():
    turns = Turns([0, 0, 4, 7, 4])
    assert [turns.hold(node) for node in (0, 2, 3, 4, 1)] == [False, True, True, True, False]
    assert turns.settled(0) == []
    assert turns.settled(1) == [2, 4]
    assert turns.settled(4) == []
    assert turns.settled(2) == [3]
    assert turns.settled(3) == []


def makespans(rows, **mechanisms):
    """Estimates of two operators apart, which share nothing and need different slots, and of both."""
    slow, call = llm("wf", "a", "Tell of {{ q }}"), tool("wf", "t", "get {{ q }}", kind="http")
    queries = batch("wf", [{"q": f"question {i}"} for i in range(rows)])
    tools = [ToolProfile(operator=OperatorId("wf/t"), mean_s=1.0, concurrency=4)]
    where = profiles([model_profile("m", load_s=0.0)], tools=tools)

    def makespan(*operators):
        plan = workflow("wf", operators, [operator.id.partition("/")[2] for operator in operators])
        return make_plan(consolidate((plan,), queries), where, Mechanisms(**mechanisms)).estimate.makespan_s

    return makespan(slow), makespan(call), makespan(slow, call)


def test_operator_by_operator_takes_the_sum_of_what_operators_take():
    model_s, tool_s, both_s = makespans(16, scheduler="level", barriers=True)
    assert both_s == pytest.approx(model_s + tool_s)
    model_s, tool_s, both_s = makespans(16, scheduler="level")
    assert both_s == pytest.approx(max(model_s, tool_s))


def test_operators_that_could_share_a_batch_do_not_when_one_follows_the_other():
    operators = [llm("wf", name, f"{name}: {{{{ q }}}}") for name in ("a", "b")]
    plan = workflow("wf", operators, ["a", "b"])
    queries = batch("wf", [{"q": f"question {i}"} for i in range(4)])
    where = profiles([model_profile("m", load_s=0.0)])
    together, apart = (
        make_plan(consolidate((plan,), queries), where, Mechanisms(scheduler="level", barriers=barriers))
        for barriers in (False, True)
    )
    assert apart.estimate.makespan_s > 1.5 * together.estimate.makespan_s
    assert all(
        earlier.estimate.makespan_s > 0 and later.estimate.makespan_s > 0
        for earlier, later in pairwise(apart.epochs)
    )
