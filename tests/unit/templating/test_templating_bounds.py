"""What data and templates can do to whoever renders them: little, in bounded time, and never a traceback."""

import pytest

from engine.ir.batch import Query
from engine.ir.ids import OperatorId, QueryIndex
from engine.ir.logical import Binding, Output
from engine.templating import (
    TemplateFailed,
    TemplateSyntax,
    build_scope,
    compile_template,
    environment,
    render_bound,
    render_native,
    render_text,
)
from engine.templating.views import view


def rendered(source, render=render_text, **scope):
    return render(compile_template(source), scope)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% set a = q %}" + "{% set a = a ~ a %}" * 64, "the limit is 1048576"),
        ("{% set a = q %}" + "{% set a = a + a %}" * 64, "the limit is 1048576"),
        ("{% set a = [q] %}" + "{% set a = a + a %}" * 64, "1000000 items"),
        ("{{ deep | tojson(indent=8) }}", "tojson would produce"),
        ("{{ big | title }}", "the limit is 1048576"),
        ("{{ big | urlencode }}", "the limit is 1048576"),
        ("{{ big ~ 'x' }}", "the limit is 1048576"),
    ],
)
def test_texts_and_lists_do_not_grow_without_bounds(source, message):
    deep = nested(60)
    deep[0][0][0] = [[1] * 200_000]
    with pytest.raises(TemplateFailed, match=message):
        rendered(source, q="abcdefgh", big="ab " * 500_000, deep=deep)


def test_loops_end_after_a_while_whatever_each_turn_costs(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(environment, "monotonic", lambda: float(next(clock)))
    with pytest.raises(TemplateFailed, match="loops ran over 5 s"):
        rendered("{% for i in range(9) %}{% set y = q | sort %}{% endfor %}", q="abc")


@pytest.mark.parametrize(
    "text", ["NaN", "1e400", '"\\ud800"', "9" * 30, "[" * 100_000, "[" * 5000 + "]" * 5000]
)
def test_json_that_nobody_could_carry_on_is_no_json(text):
    with pytest.raises(TemplateFailed, match="fromjson"):
        rendered("{{ q | fromjson }}", render_native, q=text)


@pytest.mark.parametrize("render", [render_text, render_native, render_bound])
def test_values_too_deep_to_walk_fail_their_row_only(render):
    with pytest.raises(TemplateFailed):
        rendered("{{ q }}", render, q=nested(5000))


@pytest.mark.parametrize(
    "source", ["{{ " + "9" * 5000 + " }}", '{{ "\\ud800" }}', "a\n{{ q | join('\\udfff') }}"]
)
def test_literals_that_are_no_values_are_faults_of_the_file(source):
    with pytest.raises(TemplateSyntax) as caught:
        compile_template(source)
    assert caught.value.line == source.count("\n") + 1


def test_joining_prints_as_slots_do():
    shown = rendered("{{ 'x' ~ n ~ t ~ d ~ 1 }}", n=None, t=True, d={"a": [1]})
    assert shown == 'xtrue{"a":[1]}1'


def test_data_is_never_a_template():
    sly = "{{ 7 * 7 }}{% for x in range(9) %}{{ x }}{% endfor %}{# c #}"
    assert rendered("{{ q }}|{% if q %}{{ q ~ q }}{% endif %}", q=sly) == f"{sly}|{sly}{sly}"


def test_only_what_is_a_table_is_seen_as_one():
    for value in (
        {"columns": 5, "rows": "ab"},
        {"columns": ["a"], "rows": [1]},
        {"columns": [1], "rows": []},
    ):
        assert rendered("{{ v.rows }}", render_native, v=view(value)) == value["rows"]
    table = view({"columns": ["a"], "rows": [[1], [2]], "truncated": False})
    assert rendered("{{ v[1].a }}{{ v[0:1] }}{{ v.rows[-1].a }}", v=table) == "2[[1]]2"


def test_groups_have_their_names():
    rows = [{"a": 1, "b": 2}, {"a": 1, "b": 3}]
    assert (
        rendered("{% for g in r | groupby('a') %}{{ g.grouper }}:{{ g.list | length }}{% endfor %}", r=rows)
        == "1:2"
    )


def test_a_null_is_a_value_and_hides_what_came_before_it():
    """A loop whose last executed iteration gave null shows null, not the iteration before."""
    sources = (OperatorId("w/loop[1].a"), OperatorId("w/loop[0].a"))
    output = Output(
        name="o",
        template=compile_template("{{ loop.a }}"),
        bindings=(Binding(name="loop", path=("a",), sources=sources),),
    )
    query = Query(index=QueryIndex(0), id="1", workflow="w", bindings={})
    for values, expected in (
        ({sources[0]: None, sources[1]: "old"}, None),
        ({sources[1]: "old"}, "old"),
        ({}, None),
    ):
        assert render_native(output.template, build_scope(output, query, values)) == expected


@pytest.mark.parametrize(
    ("source", "edges"),
    [
        ("{% if q %}{% set k = 1 %}{% endif %}{{ k }}", {"q", "k"}),
        ("{% if q %}{% set k = 1 %}{% else %}{% set k = 2 %}{% endif %}{{ k }}", {"q"}),
        ("{% if q %}{% set k = 1 %}{% endif %}{% set k = 2 %}{{ k }}", {"q"}),
    ],
)
def test_a_name_set_in_one_branch_may_still_be_an_operator(source, edges):
    assert {reference.root for reference in compile_template(source).references} == edges
