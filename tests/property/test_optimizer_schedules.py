"""The epoch dynamic program against brute force, its bound against the truth, and what plans must keep."""

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir.cost import ToolProfile
from engine.ir.logical import Policy
from engine.ir.options import NAIVE, Mechanisms
from engine.optimizer.baselines import brute_force
from engine.optimizer.consolidate import consolidate
from engine.optimizer.epoch_dp import epoch_dp
from engine.optimizer.epoch_states import StateSpace
from engine.optimizer.lower_bound import LowerBound
from engine.optimizer.pipeline import make_plan
from engine.optimizer.problem import build_problem
from engine.optimizer.rules import RULES, apply_rules
from engine.optimizer.schedule import MU, begin, closing_cost, evaluate_schedule, run_epoch
from engine.optimizer.schedulers import SCHEDULERS
from engine.testing.planning import batch, llm, model_profile, profiles, tool, workflow

GIGABYTE = 1 << 30


@st.composite
def workflows(draw, most_llms=5, most_tools=2):
    """A random DAG: kinds, models, who reads whom among those before, some operators nobody reads."""
    llms, tools = draw(st.integers(1, most_llms)), draw(st.integers(0, most_tools))
    kinds = draw(st.permutations(["llm"] * llms + ["tool"] * tools))
    operators, names = [], []
    for i, kind in enumerate(kinds):
        reads = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        with_query = draw(st.booleans()) or not reads
        text = " ".join(f"{{{{ {name} }}}}" for name in (["q"] if with_query else []) + reads)
        deterministic = draw(st.booleans()) or kind == "tool"
        policy = Policy(deterministic=deterministic)
        head = draw(st.sampled_from(["", "You are a careful analyst of long documents. " * 3]))
        if kind == "llm":
            model = draw(st.sampled_from(["a", "b", "c"]))
            tokens = draw(st.sampled_from([4, 64]))
            operators.append(
                llm("wf", f"o{i}", f"{head}{text}", model=model, max_tokens=tokens, policy=policy)
            )
        else:
            operators.append(
                tool("wf", f"o{i}", f"{draw(st.sampled_from(['f', 'g']))} {text}", policy=policy)
            )
        names.append(f"o{i}")
    outputs = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=3))
    return workflow("wf", operators, outputs)


@st.composite
def worlds(draw, most_workers=2):
    models = [
        model_profile(
            name,
            speed=draw(st.sampled_from([0.5, 1.0, 3.0])),
            load_s=draw(st.sampled_from([0.0, 0.4, 5.0])),
            model_bytes=GIGABYTE,
            kv_bytes_per_token=draw(st.sampled_from([0, 1 << 20])),
        )
        for name in ("a", "b", "c")
    ]
    return profiles(
        models,
        workers=draw(st.integers(1, most_workers)),
        memory_bytes=draw(st.integers(1, 3)) * GIGABYTE,
        slots=draw(st.sampled_from([1, 4])),
        tools=[
            ToolProfile(operator=f"wf/o{i}", mean_s=draw(st.sampled_from([0.01, 1.0, 8.0])), concurrency=2)
            for i in range(7)
        ],
    )


def rows(draws):
    return batch("wf", [{"q": f"question {value}"} for value in draws])


questions = st.lists(st.integers(0, 4), min_size=1, max_size=7)


@settings(max_examples=60, deadline=None)
@given(workflows(most_llms=4), worlds(), questions)
def test_epoch_dp_costs_what_brute_force_costs(plan, world, values):
    problem = build_problem(consolidate((plan,), rows(values)), world)
    search = epoch_dp(problem)
    assert search.exact
    best = evaluate_schedule(problem, brute_force(problem))
    assert abs(search.cost - best) <= 1e-6 * max(1.0, best)
    assert abs(evaluate_schedule(problem, search.schedule) - search.cost) <= 1e-6 * max(1.0, best)


@settings(max_examples=60, deadline=None)
@given(workflows(), worlds(most_workers=3), questions)
def test_no_schedule_costs_less_than_the_bound_said_at_any_step(plan, world, values):
    problem = build_problem(consolidate((plan,), rows(values)), world)
    bound = LowerBound(problem, MU)
    for name in ("greedy", "level", "round_robin", "min_switch", "epoch_dp"):
        schedule = SCHEDULERS[name](problem).schedule
        total = evaluate_schedule(problem, schedule)
        situation, spent = begin(problem), 0.0
        for placements in schedule:
            resident = {model for context in situation.contexts for model in context.resident}
            assert spent + bound.at(situation.done, resident, situation.tools_s) <= total + 1e-6
            assert bound.without_loads(situation.done) <= total - spent + 1e-6
            cost, situation = run_epoch(problem, situation, placements)
            spent += cost
        assert spent + closing_cost(situation.tools_s, MU) <= total + 1e-9


@settings(max_examples=60, deadline=None)
@given(workflows(), worlds(most_workers=3), questions, st.sampled_from(sorted(SCHEDULERS)), st.booleans())
def test_every_scheduler_assigns_each_llm_node_once_after_its_inputs(plan, world, values, name, merge):
    consolidated = consolidate((plan,), rows(values), merge=merge)
    physical = make_plan(consolidated, world, Mechanisms(scheduler=name, merge=merge))
    nodes = {node.id: node for node in physical.consolidated.nodes}
    operators = physical.consolidated.operators
    epoch_of = {}
    for epoch in physical.epochs:
        for assignment in epoch.assignments:
            assert assignment.estimate.makespan_s >= 0
            for node in assignment.nodes:
                assert node not in epoch_of
                epoch_of[node] = epoch.index
                assert operators[nodes[node].operator].id == assignment.operator
    llm_nodes = {n.id for n in nodes.values() if hasattr(operators[n.operator], "model")}
    assert set(epoch_of) == llm_nodes
    for node in llm_nodes:
        for upstream in _llm_ancestors(nodes, llm_nodes, node):
            assert epoch_of[upstream] < epoch_of[node]
    prepared = [operator for epoch in physical.epochs for operator in epoch.prepare]
    tools = {operators[n.operator].id for n in nodes.values() if n.id not in llm_nodes}
    assert sorted(prepared) == sorted(tools)
    assert physical.estimate.makespan_s > 0


def _llm_ancestors(nodes, llm_nodes, node):
    for source in set(itertools.chain.from_iterable(nodes[node].inputs)):
        if source in llm_nodes:
            yield source
        else:
            yield from _llm_ancestors(nodes, llm_nodes, source)


@settings(max_examples=60, deadline=None)
@given(workflows(), questions, st.booleans())
def test_consolidate_then_expand_covers_each_pair_once(plan, values, merge):
    queries = rows(values)
    consolidated = consolidate((plan,), queries, merge=merge, first_node=5)
    pairs = [member for node in consolidated.nodes for member in node.members]
    assert sorted(pairs) == sorted(itertools.product(range(len(values)), range(len(plan.operators))))
    place = {operator.id: i for i, operator in enumerate(plan.operators)}
    node_of = {member: node.id for node in consolidated.nodes for member in node.members}
    for i, node in enumerate(consolidated.nodes):
        assert node.id == 5 + i
        assert all(source < node.id for candidates in node.inputs for source in candidates)
        for query, position in node.members:
            operator = plan.operators[position]
            expected = tuple(
                tuple(node_of[query, place[s]] for s in binding.sources) for binding in operator.bindings
            )
            assert node.inputs == expected
            assert queries.queries[query].bindings == queries.queries[node.members[0][0]].bindings or (
                not operator.query_inputs
            )


@settings(max_examples=60, deadline=None)
@given(workflows(), questions)
def test_rules_are_idempotent_and_keep_what_outputs_need(plan, values):
    consolidated = consolidate((plan,), rows(values))
    for rule in RULES:
        once = rule(consolidated)
        assert rule(once) == once
    slim = apply_rules(consolidated)
    assert apply_rules(slim) == slim
    covered = {member for node in slim.nodes for member in node.members}
    kept = [i for i in range(len(plan.operators)) if i not in slim.dropped]
    assert covered == set(itertools.product(range(len(values)), kept))
    assert [node.id for node in slim.nodes] == list(range(len(slim.nodes)))
    read = {s for output in plan.outputs for b in output.bindings for s in b.sources}
    assert not read & {plan.operators[i].id for i in slim.dropped}


@settings(max_examples=30, deadline=None)
@given(workflows(), worlds(), st.integers(1, 6), st.sampled_from(["epoch_dp", "level"]))
def test_more_queries_never_take_fewer_tokens_nor_less_worker_time(plan, world, number, name):
    world = msgspec.structs.replace(world, workers=world.workers[:1])
    few = make_plan(consolidate((plan,), rows(range(number))), world, Mechanisms(scheduler=name)).estimate
    many = make_plan(
        consolidate((plan,), rows(range(number + 3))), world, Mechanisms(scheduler=name)
    ).estimate
    assert many.decode_tokens >= few.decode_tokens
    assert many.prefill_tokens >= few.prefill_tokens
    assert many.makespan_s >= few.makespan_s * 0.98


@settings(max_examples=30, deadline=None)
@given(workflows(), worlds(), questions)
def test_the_naive_run_is_never_estimated_faster_than_one_planned_worker(plan, world, values):
    world = msgspec.structs.replace(
        world, workers=tuple(msgspec.structs.replace(w, memory_bytes=9 * GIGABYTE) for w in world.workers[:1])
    )
    planned = make_plan(consolidate((plan,), rows(values)), world, Mechanisms()).estimate
    naive = make_plan(consolidate((plan,), rows(values), merge=False), world, NAIVE).estimate
    assert naive.makespan_s >= planned.makespan_s * 0.98


@settings(max_examples=30, deadline=None)
@given(workflows(), worlds(), questions)
def test_beyond_its_limit_the_search_says_beam_and_still_plans(plan, world, values):
    problem = build_problem(consolidate((plan,), rows(values)), world)
    cut_short = epoch_dp(problem, max_transitions=0)
    exact = epoch_dp(problem)
    assert cut_short.cost >= exact.cost - 1e-6
    assert abs(evaluate_schedule(problem, cut_short.schedule) - cut_short.cost) < 1e-6
    space = StateSpace(problem, MU)
    assert space.estimate(space.root()) <= exact.cost + 1e-6
