"""Templates: what they print, what they refuse, and the words they refuse it in."""

import timeit

import pytest

from engine.ir.batch import Query
from engine.ir.ids import ModelName, OperatorId, QueryIndex
from engine.ir.logical import ArgumentTemplate, Binding, LlmOperator, ToolOperator
from engine.ir.template import Literal, Slot
from engine.templating import (
    TemplateFailed,
    TemplateSyntax,
    build_scope,
    compile_expression,
    compile_template,
    render_arguments,
    render_bound,
    render_native,
    render_prompt,
    render_text,
    truth,
)
from engine.templating.views import view

TABLE = {"columns": ["name", "total"], "rows": [["ASIA", 0.1 + 0.2], ["a|b\nc", None]], "truncated": True}
SCOPE = {
    "question": "why?",
    "extract": {"year": 1995, "items": ["x", "y"], "ok": True, "note": None},
    "table": view(TABLE),
    "page": view({"status": 200, "body": {"price": 3}}),
    "nothing": None,
}


def text(source):
    return render_text(compile_template(source), SCOPE)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{ question }} {{ extract.year }}", "why? 1995"),
        ("{{ extract }}", '{"year":1995,"items":["x","y"],"ok":true,"note":null}'),
        ("{{ extract.items }}", '["x","y"]'),
        ("{{ extract['items'][1] }}", "y"),
        ("{{ extract.ok }}/{{ nothing }}/{{ extract.note }}", "true//"),
        ("{{ table }}", "name | total\nASIA | 0.3\na\\|b\\nc | null\n(more rows were cut off)"),
        (
            "{{ table.rows[0].name }} {{ table.rows[0][0] }} {{ table.first.name }} {{ table.value }}",
            "ASIA " * 3 + "ASIA",
        ),
        ("{% for row in table %}{{ loop.index }}{{ row.name | length }}{% endfor %}", "1425"),
        ("{{ table.records[0] | tojson }}", '{"name":"ASIA","total":0.30000000000000004}'),
        ("{{ page.price }} {{ page.status }} {{ page }}", '3 200 {"price":3}'),
        ("{{ question.text | upper }}", "WHY?"),
        ("{% if nothing %}a{% else %}b{% endif %}", "b"),
        ("{% set y = extract.year + 1 %}{{ y }}", "1996"),
        ("{{ missing | default('d') }} {{ extract.zip | default('e') }}", "d e"),
        ("{{ 'x y&z' | urlencode }}", "x%20y%26z"),
        ("{{ table.rows | map(attribute='name') | first }}", "ASIA"),
        ("{{ extract.items | join(', ') }} {{ [3, 1] | sort | sum }}", "x, y 4"),
        ("{% raw %}{{ x }}{% endraw %}{# gone #}", "{{ x }}"),
        ("a\n  {% if question %}\nb\n  {% endif %}\nc\n", "a\nb\nc"),
        ("{% for k, v in extract | items %}{{ k }};{% endfor %}", "year;items;ok;note;"),
    ],
)
def test_prints(source, expected):
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "message", "fix"),
    [
        ("{{ extract.yeer }}", "extract has no field 'yeer'; it has: year, items, ok, note", "extract.year"),
        ("{{ extract.yeer | upper }}", "extract has no field 'yeer'", "extract.year"),
        ("{{ missing }}", "no value for 'missing'", "default"),
        ("{{ question.length }}", "question is text and has no field 'length'", "itself"),
        ("{{ nothing.x }}", "nothing has no value here", "if nothing"),
        ("{{ table.rowz }}", "it has: rows, columns", "table.rows"),
        ("{% for r in table %}{{ r.nme }}{% endfor %}", "there is no 'nme'; there is: name, total", None),
        ("{{ 'ab' * 1000000000 }}", "numbers only", None),
        ("{{ 9 ** 999 }}", "refused", None),
        ("{{ range(10000000) | list }}", "limit", None),
        ("{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}", "steps", None),
        ("{% for i in range(9999) %}{{ '0123456789' ~ '0' | replace('0', '0123456789012') }}"
         "{{ 'abcdefghijklmnopqrstuvwxyz0123456789' }}{{ 'abcdefghijklmnopqrstuvwxyz0123456789' }}"
         "{{ 'abcdefghijklmnopqrstuvwxyz0123456789' }}{% endfor %}", "over 1048576 characters", None),
        ("{{ question | int | round(precision='x') }}", "'x' places is refused", None),
        ("{{ extract | sum }}", "cannot be rendered", None),
        ("{% for x in extract.year %}{% endfor %}", "not a list", None),
        ("{{ 1 / 0 }}", "division", None),
        ("{{ 1.5 | round(10 ** 9, 'ceil') }}", "refused", None),
        ("{{ range(9999) | join(range(99) | join('-')) }}", "join would produce", None),
        ("{% for x in extract.items %}{{ loop.__class__ }}{% endfor %}", "unsafe", None),
        ("{{ extract.__class__ }}", "no field '__class__'", None),
        ("{{ extract | map(attribute='__class__') | list | first }}", "no '__class__'", None),
    ],
)  # fmt: skip
def test_fails_with_words(source, message, fix):
    with pytest.raises(TemplateFailed) as caught:
        text(source)
    assert caught.value.code == "template_error"
    assert message in caught.value.message
    if fix:
        assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("{{ a.b() }}", 1, "functions and methods"),
        ("\n{{ ''.__class__.mro() }}", 2, "functions and methods"),
        ("\n\n{% macro m() %}{% endmacro %}", 3, "'macro'"),
        ("{% include 'x' %}", 1, "'include'"),
        ("{% import 'x' as y %}", 1, "'import'"),
        ("{% with a = 1 %}{% endwith %}", 1, "'with'"),
        ("{{ lipsum() }}", 1, "functions and methods"),
        ("a\n{{ b | uper }}", 2, "no filter 'uper'"),
        ("{{ b is callable }}", 1, "no test 'callable'"),
        ("a\nb {{ c", 2, "unexpected end"),
        ("{% if a %}", 1, "end of template"),
        ("{{ " + "(" * 100 + "a" + ")" * 100 + " }}{{ " + "-" * 3000 + "a }}", 1, "nests too deeply"),
    ],
)
def test_refuses_source(source, line, message):
    with pytest.raises(TemplateSyntax) as caught:
        compile_template(source)
    assert (caught.value.line, message in caught.value.message) == (line, True), caught.value
    assert caught.value.fix


def refs(template):
    return [".".join((r.root, *r.path)) + ("?" if r.test else "") for r in template.references]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ keyword.search_keyword }}", ["keyword.search_keyword"]),
        ("{{ a.b['c'].d }} {{ a.b.c.d }}", ["a.b.c.d"]),
        ("{{ rows[i].x }}", ["i", "rows"]),
        ("{{ a.rows[0].x }}", ["a.rows"]),
        (
            "{% for r in t.rows %}{{ r.x }}{{ loop.index }}{{ other }}{% endfor %}{{ r }}",
            ["t.rows", "other", "r"],
        ),
        ("{% set x = a.b %}{{ x.c }}", ["a.b"]),
        ("{% if previous %}{{ previous.draft }}{% endif %}", ["previous?", "previous.draft"]),
        ("{{ a if b and not c else d }}", ["b?", "c?", "a", "d"]),
        ("{{ x | default(y.z) }} {{ range(3) }}", ["x", "y.z"]),
    ],
)
def test_finds_references(source, expected):
    assert refs(compile_template(source)) == expected


def test_condition_references_and_truth():
    condition = compile_expression("{{ previous and previous.n == n }}")
    assert refs(condition) == ["previous?", "previous.n", "n"]
    assert compile_expression("previous").references[0].test
    assert truth(compile_expression("extract.year > 1990"), SCOPE)
    assert not truth(compile_expression("{{ extract.year > 1995 }}"), SCOPE)
    assert not truth(compile_expression("nothing"), SCOPE)
    for bad in ("", "{{ a }} {{ b }}", "{% if a %}b{% endif %}", "a b"):
        with pytest.raises(TemplateSyntax):
            compile_expression(bad)


def test_segments_are_what_is_printed():
    template = compile_template("System: {{ a }} and {% if b %}\n{{ c }}{% endif %}\nend")
    assert template.static_prefix == "System: "
    assert template.segments[0] == Literal(text="System: ")
    assert isinstance(template.segments[1], Slot)
    assert template.segments[1].expression == "a"
    assert isinstance(template.segments[3], Slot)
    assert template.segments[3].block
    assert template.segments[4] == Literal(text="end")


def test_native_keeps_values_and_bound_numbers_them():
    assert render_native(compile_template("{{ table }}"), SCOPE) == TABLE
    assert render_native(compile_template("{{ table.rows }}"), SCOPE) == TABLE["rows"]
    assert render_native(compile_template("{{ extract.year }}"), SCOPE) == 1995
    assert render_native(compile_template("{{ table.rows | map(attribute='name') | list }}"), SCOPE) == [
        "ASIA",
        "a|b\nc",
    ]
    assert render_native(compile_template("y{{ extract.year }}"), SCOPE) == "y1995"
    bound = render_bound(compile_template("WHERE y = {{ extract.year }} AND n = {{ table.value }}"), SCOPE)
    assert bound == {"text": "WHERE y = $1 AND n = $2", "params": [1995, "ASIA"]}
    with pytest.raises(TemplateFailed):
        render_bound(compile_template("{% if a %}x{% endif %}"), SCOPE)
    with pytest.raises(TemplateFailed):
        render_native(compile_template("{{ extract.gone }}"), SCOPE)


def query(**bindings):
    return Query(index=QueryIndex(0), id="q", workflow="w", bindings=bindings)


def test_scope_of_a_loop_iteration():
    operator = LlmOperator(
        id=OperatorId("w/refine[1].draft"),
        model=ModelName("m"),
        prompt=compile_template(
            "{% if previous %}{{ previous.draft }}{% endif %}{{ iteration }}{{ q }}{{ skipped }}"
        ),
        system=compile_template("S {{ q }}"),
        bindings=(
            Binding(name="previous", path=("draft",), sources=(OperatorId("w/refine[0].draft"),)),
            Binding(name="skipped", sources=(OperatorId("w/s"),)),
        ),
        query_inputs=("q",),
        iteration=1,
    )
    scope = build_scope(operator, query(q="Q"), {OperatorId("w/refine[0].draft"): "first"})
    assert [m.content for m in render_prompt(operator, scope)] == ["S Q", "first1Q"]
    last = Binding(name="refine", path=("draft",), sources=(OperatorId("w/b"), OperatorId("w/a")))
    reader = ToolOperator(
        id=OperatorId("w/t"),
        tool="x",
        arguments={"deep": [{"$template": 0}, "c"], "n": 3},
        templates=(ArgumentTemplate(template=compile_template("{{ refine.draft }}"), mode="native"),),
        bindings=(last,),
    )
    scope = build_scope(reader, query(), {OperatorId("w/a"): {"v": 1}})
    assert render_arguments(reader, scope) == {"deep": [{"v": 1}, "c"], "n": 3}


def test_rendering_a_small_prompt_is_cheap():
    template = compile_template("Answer {{ question }} about {{ extract.year }} briefly.")
    best = min(timeit.repeat(lambda: render_text(template, SCOPE), number=1000, repeat=5)) / 1000
    assert best < 50e-6
