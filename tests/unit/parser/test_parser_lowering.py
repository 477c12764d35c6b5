"""Lowering: edges from references, policies with their defaults, loops unrolled and guarded."""

import pytest

from engine.ir.batch import Query
from engine.ir.ids import QueryIndex
from engine.ir.logical import LlmOperator, ToolOperator, depends_on
from engine.parser import load_workflow, lower
from engine.templating import build_scope, render_native, render_text, truth
from tools import REGISTRY

BRIEF = """\
workflow: brief
inputs: {user_query: {type: string}, limit: {type: integer, default: 3}}
models: {small: haloctl-mini, large: haloctl-mini}
operators:
  merge:
    kind: llm
    model: large
    system: Be brief.
    prompt: "{{ revenue }} {{ page.body }} {{ score }}"
    sampling: {temperature: 0.7}
  extract:
    kind: llm
    model: small
    prompt: "Read {{ user_query }}"
    schema: {type: object, properties: {year: {type: integer}, kw: {type: string}}, required: [year, kw]}
    max_tokens: 48
    stop: ["END"]
  revenue: {kind: sql, database: tpch, query: "SELECT y FROM t WHERE y = {{ extract.year }}"}
  page: {kind: http, url: "http://host/x?q={{ extract.kw | urlencode }}", timeout_s: 5}
  score:
    kind: python
    function: "lib/scoring.py:score"
    deterministic: true
    arguments: {rows: "{{ revenue.rows }}", top: 3, note: "plain {# gone #}text", deep: [{q: "{{ limit }}"}]}
  note: {kind: http, method: POST, url: "http://host/n", json: {text: "{{ merge }}"}}
outputs: {answer: "{{ merge }}", year: "{{ extract.year }}"}
"""


@pytest.fixture(scope="module")
def brief():
    source = load_workflow(BRIEF.encode(), REGISTRY, name="/flows/brief.yaml")
    return lower(source, REGISTRY, {"haloctl-mini"}, known={"database": {"tpch"}})


def by_name(plan, name):
    return next(o for o in plan.operators if o.id == f"{plan.workflow}/{name}")


def test_order_is_topological_and_otherwise_as_written(brief):
    assert [o.id for o in brief.operators] == [
        "brief/extract", "brief/revenue", "brief/page", "brief/score", "brief/merge", "brief/note",
    ]  # fmt: skip


def test_edges_are_read_off_references(brief):
    merge = by_name(brief, "merge")
    assert [(b.name, b.path, b.sources) for b in merge.bindings] == [
        ("revenue", (), ("brief/revenue",)),
        ("page", (), ("brief/page",)),
        ("score", (), ("brief/score",)),
    ]
    assert by_name(brief, "extract").query_inputs == ("user_query",)
    assert by_name(brief, "score").query_inputs == ("limit",)
    assert [b.name for b in brief.outputs[0].bindings] == ["merge"]


def test_llm_operator(brief):
    extract, merge = by_name(brief, "extract"), by_name(brief, "merge")
    assert isinstance(extract, LlmOperator)
    assert extract.model == "haloctl-mini"
    assert extract.schema.startswith('{"type":"object","properties":{"year":{"type":"integer"},"kw"')
    assert (extract.max_tokens, extract.stop, extract.policy.retries) == (48, ("END",), 2)
    assert extract.policy.deterministic
    assert not merge.policy.deterministic
    assert merge.system.static_prefix == "Be brief."


def test_tool_operators(brief):
    revenue, page, score, note = (by_name(brief, n) for n in ("revenue", "page", "score", "note"))
    assert isinstance(revenue, ToolOperator)
    assert revenue.templates[revenue.arguments["query"]["$template"]].mode == "bound"
    assert (revenue.policy.effects, revenue.policy.deterministic, revenue.policy.timeout_s) == (
        "read",
        True,
        60.0,
    )
    assert (page.policy.timeout_s, page.policy.deterministic) == (5.0, True)
    assert score.arguments["function"] == "/flows/lib/scoring.py:score"
    assert score.arguments["arguments"] == {
        "rows": {"$template": 0}, "top": 3, "note": "plain text", "deep": [{"q": {"$template": 1}}],
    }  # fmt: skip
    assert score.policy.deterministic
    assert [o.arguments["effects"] for o in (revenue, page, score, note)] == ["read", "read", "none", "write"]
    assert (note.policy.effects, note.policy.retries, note.policy.deterministic) == ("write", 0, False)


LOOP = """\
workflow: w
inputs: {q: {}}
operators:
  start: {kind: llm, model: m, prompt: "S {{ q }}"}
  refine:
    kind: loop
    when: start
    max_iterations: 4
    until: "UNTIL"
    operators:
      draft:
        kind: llm
        model: m
        prompt: "{% if previous %}{{ previous.draft }}>{% endif %}{{ start }}{{ iteration }}"
      judge: {kind: llm, model: m, prompt: "{{ draft }}"}
  last: {kind: llm, model: m, prompt: "{{ refine.draft }}!", on_skip: run}
outputs: {answer: "{{ last }}", judge: "{{ refine.judge }}"}
"""


def run(plan, answer=lambda text: text, **bindings):
    """What the processor does with one query, one operator after another."""
    query = Query(index=QueryIndex(0), id="", workflow="w", bindings=bindings)
    values, skipped = {}, []
    for operator in plan.operators:
        lacks = any(not any(s in values for s in b.sources) for b in operator.bindings)
        scope = build_scope(operator, query, values)
        if (lacks and operator.policy.on_skip == "skip") or not all(
            truth(c.template, scope) is c.expected for c in operator.policy.when
        ):
            skipped.append(operator.id.removeprefix("w/"))
        else:
            values[operator.id] = answer(render_text(operator.prompt, scope))
    outputs = {o.name: render_native(o.template, build_scope(o, query, values)) for o in plan.outputs}
    return outputs, skipped


def loop_plan(until, text=LOOP):
    return lower(load_workflow(text.replace("UNTIL", until).encode(), REGISTRY), REGISTRY)


@pytest.mark.parametrize(
    ("until", "iterations"),
    [
        ("false", 4),
        ("true", 1),
        ("judge == 'S x0'", 1),
        ("{{ iteration == 1 }}", 2),
        ("judge | length > 9", 3),
        ("previous and previous.draft | length < draft | length", 2),
        ("previous", 2),
        ("judge is none or q == 'x'", 1),
    ],
)
def test_loop_runs_until_its_condition_holds(until, iterations):
    outputs, skipped = run(loop_plan(until), q="x")
    draft = ">".join(f"S x{k}" for k in range(iterations))
    assert outputs == {"answer": draft + "!", "judge": draft}
    assert skipped == [f"refine[{k}].{name}" for k in range(iterations, 4) for name in ("draft", "judge")]


def test_loop_not_entered_is_skipped_as_a_whole():
    outputs, skipped = run(loop_plan("false"), answer=lambda text: "" if text == "S x" else text, q="x")
    assert outputs == {"answer": "!", "judge": None}
    assert len(skipped) == 8


def test_stopped_iterations_stay_stopped_for_operators_that_run_anyway():
    text = LOOP.replace('prompt: "{{ draft }}"}', 'prompt: "{{ draft }}", on_skip: run}')
    outputs, skipped = run(loop_plan("iteration == 0", text), q="x")
    assert outputs["judge"] == "S x0"
    assert len(skipped) == 6


def test_iterations_have_their_own_ids_and_sources_newest_first():
    plan = loop_plan("judge == 'x'")
    assert [o.id for o in plan.operators if o.id.startswith("w/refine[2]")] == [
        "w/refine[2].draft", "w/refine[2].judge",
    ]  # fmt: skip
    (binding,) = by_name(plan, "last").bindings
    assert (binding.name, binding.path) == ("refine", ("draft",))
    assert binding.sources == tuple(f"w/refine[{k}].draft" for k in (3, 2, 1, 0))
    assert [o.iteration for o in plan.operators][-1] is None
    conditions = by_name(plan, "refine[2].draft").policy.when
    assert [(c.template.source, c.expected) for c in conditions] == [
        ("{{ start }}", True),
        ("{{ refine.iteration_1.judge == 'x' }}", False),
    ]


NESTED = """\
workflow: w
inputs: {q: {}}
operators:
  outer:
    kind: loop
    max_iterations: 2
    until: "tail == 'stop'"
    operators:
      inner:
        kind: loop
        when: "iteration == 0 or previous.tail"
        max_iterations: 2
        operators:
          step:
            kind: llm
            model: m
            prompt: "{% if previous %}{{ previous.step }},{% endif %}{{ q }}{{ iteration }}"
      tail: {kind: llm, model: m, prompt: "{% if previous %}{{ previous.tail }}|{% endif %}{{ inner.step }}"}
outputs: {answer: "{{ outer.tail }}", step: "{{ outer.inner.step }}"}
"""


def test_nested_loops():
    plan = lower(load_workflow(NESTED.encode(), REGISTRY), REGISTRY)
    assert [o.id for o in plan.operators] == [
        "w/outer[0].inner[0].step", "w/outer[0].inner[1].step", "w/outer[0].tail",
        "w/outer[1].inner[0].step", "w/outer[1].inner[1].step", "w/outer[1].tail",
    ]  # fmt: skip
    outputs, skipped = run(plan, q="x")
    assert outputs == {"answer": "x0,x1|x0,x1", "step": "x0,x1"}
    assert not skipped
    assert plan.outputs[1].bindings[0].sources == (
        "w/outer[1].inner[1].step", "w/outer[1].inner[0].step",
        "w/outer[0].inner[1].step", "w/outer[0].inner[0].step",
    )  # fmt: skip


def test_a_branch_may_replace_an_operators_value_and_may_make_a_name_of_its_own():
    text = """
workflow: w
inputs: {q: {type: string}}
operators:
  keyword: {kind: llm, model: m, prompt: "{{ q }}"}
  answer:
    kind: llm
    model: m
    prompt: >-
      {% if q %}{% set keyword = 'none' %}{% set own = 1 %}{% endif %}{{ keyword }} {{ own | default('') }}
outputs: {answer: "{{ answer }}"}
"""
    plan = lower(load_workflow(text.encode(), REGISTRY), REGISTRY)
    assert depends_on(plan.operators[1]) == ("w/keyword",)
