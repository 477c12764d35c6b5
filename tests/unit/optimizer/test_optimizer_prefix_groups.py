"""Prefix groups, prefix order and sharding."""

from engine.optimizer.consolidate import consolidate
from engine.optimizer.problem import build_problem
from engine.testing.planning import batch, llm, model_profile, profiles, workflow

SYSTEM = "You are a careful analyst. Answer in JSON and cite your sources."


def words(text):
    return len(text.split())


def planned(operators, outputs, rows, inputs=("q",)):
    plan = workflow("wf", operators, outputs, inputs=inputs)
    return consolidate((plan,), batch("wf", rows), count_tokens=words)


def test_operators_of_one_model_that_begin_alike_form_a_group_over_their_own():
    plan = planned(
        [
            llm("wf", "a", "First list all facts you know about {{ q }}", system=SYSTEM),
            llm("wf", "b", "Then write the summary you are asked for: {{ q }}", system=SYSTEM),
            llm("wf", "c", "Other model entirely, {{ q }}", system=SYSTEM, model="other"),
        ],
        ["a", "b", "c"],
        [{"q": "x"}, {"q": "y"}],
    )
    top, *rest = plan.prefix_groups
    assert (top.tokens, len(top.nodes), top.parent) == (words(SYSTEM), 4, None)
    assert top.label == "wf/a, wf/b"
    assert [(g.parent, g.tokens, g.label) for g in rest[:2]] == [
        (top.id, words(SYSTEM) + 7, "wf/a"),
        (top.id, words(SYSTEM) + 8, "wf/b"),
    ]
    assert [g.model for g in plan.prefix_groups if g.model == "other"] == ["other"]


def test_a_system_text_never_counts_as_the_same_text_in_a_prompt():
    plan = planned(
        [llm("wf", "a", f"{{{{ q }}}} {SYSTEM}", system=SYSTEM), llm("wf", "b", f"{SYSTEM} {{{{ q }}}}")],
        ["a", "b"],
        [{"q": "x"}, {"q": "y"}],
    )
    assert all(len({plan.nodes[n].operator for n in g.nodes}) == 1 for g in plan.prefix_groups)


def test_equal_query_inputs_in_the_first_slots_form_lower_groups():
    document, other = "one long document about many things " * 3, "another text " * 5
    plan = planned(
        [llm("wf", "a", "Read this text with care: {{ doc }} and answer {{ q }}", inputs=("doc", "q"))],
        ["a"],
        [{"doc": document, "q": f"question {i}"} for i in range(3)] + [{"doc": other, "q": "alone"}],
        inputs=("doc", "q"),
    )
    assert len(plan.nodes) == 4
    top, lower = plan.prefix_groups
    assert (len(top.nodes), len(lower.nodes)) == (4, 3)
    assert lower.parent == top.id
    assert lower.tokens == 5 + words(document) + 2
    assert lower.label == "input doc"


def problem(rows, *, workers=1, by_prefix=True):
    operator = llm("wf", "a", "Read: {{ doc }} and answer {{ q }}", inputs=("doc", "q"))
    plan = workflow("wf", [operator], ["a"], inputs=("doc", "q"))
    world = profiles([model_profile("m")], workers=workers)
    return build_problem(consolidate((plan,), batch("wf", rows)), world, by_prefix=by_prefix)


def interleaved(documents=3, questions=4):
    return [
        {"doc": f"document {d} " * 40, "q": f"question {q}"}
        for q in range(questions)
        for d in range(documents)
    ]


def test_prefix_order_puts_equal_beginnings_side_by_side_and_leaves_less_to_compute():
    sorted_, arrival = problem(interleaved()), problem(interleaved(), by_prefix=False)
    documents = [identity[0][0] for identity in sorted_.llms[0].prompts.identities]
    assert documents == sorted(documents)
    assert list(arrival.llms[0].prompts.nodes) == list(range(12))
    few, many = (p.llms[0].shards[0].distinct_tokens for p in (sorted_, arrival))
    assert few < many / 3


def test_shards_follow_document_borders():
    work = problem(interleaved(documents=4, questions=5), workers=2).llms[0]
    assert work.cuts == ((0, 20), (0, 10, 20))
    work = problem(interleaved(documents=3, questions=4), workers=3).llms[0]
    assert work.cuts[2] == (0, 4, 8, 12)
    assert work.shards[2].nodes == 4


def test_one_large_group_is_cut_anyway_and_small_work_is_not_cut_to_nothing():
    work = problem(interleaved(documents=1, questions=9), workers=2).llms[0]
    assert work.cuts[1] == (0, 4, 9)
    assert len(problem(interleaved(1, 2), workers=4).llms[0].cuts) == 2
