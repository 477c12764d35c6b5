"""Consolidation: what merges, what stays apart, and what the nodes look like."""

from time import perf_counter

import msgspec
import pytest

from engine.errors import InvariantBroken
from engine.ir.keys import content_key
from engine.ir.logical import Policy
from engine.optimizer.consolidate import consolidate, operator_key
from engine.testing.planning import batch, llm, tool, workflow


def diamond(name="wf", **change):
    return workflow(
        name,
        [
            llm(name, "key", "Find a keyword in: {{ q }}", **change),
            tool(name, "rows", "select * from t where x = {{ key.word }}"),
            llm(name, "answer", "Answer {{ q }} from {{ rows }}"),
        ],
        ["answer"],
    )


def rows(*values):
    return [{"q": value} for value in values]


def test_equal_inputs_share_every_node_and_keep_every_member():
    plan = consolidate((diamond(),), batch("wf", rows("a", "b", "a", "a")))
    assert [node.operator for node in plan.nodes] == [0, 0, 1, 1, 2, 2]
    assert plan.nodes[0].members == ((0, 0), (2, 0), (3, 0))
    assert plan.nodes[2].inputs == ((plan.nodes[0].id,),)
    assert len({node.key for node in plan.nodes}) == len(plan.nodes)


def test_without_merge_every_pair_is_a_node():
    plan = consolidate((diamond(),), batch("wf", rows("a", "a")), merge=False)
    assert len(plan.nodes) == 6
    assert len({node.key for node in plan.nodes}) == 6


def test_node_ids_start_where_the_window_starts():
    plan = consolidate((diamond(),), batch("wf", rows("a")), first_node=100)
    assert [node.id for node in plan.nodes] == [100, 101, 102]
    assert plan.nodes[2].inputs == ((101,),)


def test_other_names_and_other_workflows_merge_when_the_work_is_equal():
    twice = workflow(
        "wf",
        [llm("wf", "a", "Say {{ q }}"), tool("wf", "t1", "f({{ a }})"), tool("wf", "t2", "f({{ a }})")],
        ["t1", "t2"],
    )
    other = workflow("other", [llm("other", "z", "Say {{ q }}")], ["z"])
    queries = batch("wf", rows("a")).queries + batch("other", rows("a"), first=1).queries
    plan = consolidate((twice, other), msgspec.structs.replace(batch("wf", []), queries=queries))
    assert [node.members for node in plan.nodes] == [((0, 0), (1, 3)), ((0, 1), (0, 2))]


@pytest.mark.parametrize("policy", [Policy(deterministic=False), Policy(deterministic=True, effects="write")])
def test_samples_and_writes_never_merge_and_neither_does_what_reads_them(policy):
    plan = consolidate((diamond(policy=policy),), batch("wf", rows("a", "a")))
    assert [len(node.members) for node in plan.nodes] == [1] * 6


def test_model_files_count_by_digest():
    both = workflow(
        "wf", [llm("wf", "a", "Say {{ q }}", model="x"), llm("wf", "b", "Say {{ q }}", model="y")], ["a", "b"]
    )
    one = consolidate((both,), batch("wf", rows("a")), digests={"x": "sha", "y": "sha"})
    two = consolidate((both,), batch("wf", rows("a")), digests={"x": "sha", "y": "other"})
    assert (len(one.nodes), len(two.nodes)) == (1, 2)


def test_settings_that_change_the_result_change_the_key():
    base = llm("wf", "a", "Say {{ q }}")
    changes = [
        {"max_tokens": 7},
        {"schema": "{}"},
        {"stop": ("x",)},
        {"sampling": msgspec.structs.replace(base.sampling, temperature=1.0)},
        {"policy": Policy(deterministic=True, on_skip="run")},
    ]
    keys = {operator_key(msgspec.structs.replace(base, **change)) for change in changes}
    assert len(keys | {operator_key(base)}) == len(changes) + 1
    assert operator_key(base) == operator_key(msgspec.structs.replace(base, id="other/name"))


def test_iteration_counts_only_where_it_is_read():
    silent = llm("wf", "a", "Say {{ q }}")
    spoken = llm("wf", "a", "Say {{ q }} {{ iteration }}", inputs=("q", "iteration"))
    for operator, same in ((silent, True), (spoken, False)):
        first, second = (msgspec.structs.replace(operator, iteration=i) for i in (0, 1))
        assert (operator_key(first) == operator_key(second)) is same


def test_asking_for_the_last_iteration_tells_the_first_one_from_the_others():
    operator = llm("wf", "a", "{% if previous %}Again: {% endif %}{{ q }}", inputs=("q",))
    first, second, third = (operator_key(msgspec.structs.replace(operator, iteration=i)) for i in (0, 1, 2))
    assert first != second == third


def test_values_that_are_equal_in_python_but_not_in_json_stay_apart():
    values = [1, 1.0, True, "1", None, 0, False, 0.0, -0.0, "", [], {}, 2**70, "\ud800", "\x00", "\ud801"]
    assert len({content_key(value) for value in values}) == len(values)
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    plan = consolidate((diamond(),), batch("wf", rows(*values)))
    assert len(plan.nodes) == 3 * len(values)


def test_an_absent_input_is_not_a_null_input():
    plan = consolidate((diamond(),), batch("wf", [{"q": None}, {}]))
    assert len(plan.nodes) == 6


def test_known_tokens_come_from_the_counter_given():
    plan = consolidate(
        (diamond(),), batch("wf", rows("one two three")), count_tokens=lambda t: len(t.split())
    )
    assert [node.known_tokens for node in plan.nodes] == [4 + 3, 0, 2 + 3]


def test_a_query_of_an_unknown_workflow_is_a_bug():
    with pytest.raises(InvariantBroken):
        consolidate((diamond(),), batch("nowhere", rows("a")))


def test_4096_distinct_queries_times_10_operators_take_about_a_second():
    operators = [llm("wf", "o0", "Look at {{ q }}")]
    operators += [llm("wf", f"o{i}", f"Step {i}: {{{{ o{i - 1} }}}} for {{{{ q }}}}") for i in range(1, 10)]
    plan = workflow("wf", operators, ["o9"])
    started = perf_counter()
    consolidated = consolidate((plan,), batch("wf", rows(*(f"query {i}" for i in range(4096)))))
    elapsed = perf_counter() - started
    assert len(consolidated.nodes) == 40960
    assert elapsed < 10  # generous: machines under test are shared
