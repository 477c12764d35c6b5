"""Segments and whole templates agree: rendering piece by piece is rendering."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.ir.template import Literal
from engine.templating import TemplateSyntax, compile_template, render_text
from engine.templating.environment import ENVIRONMENT

PIECES = st.sampled_from(
    [
        "text ", "\n", "  ", "é|$1", "{{ a }}", "{{- b.c -}}", "{{ b['c'] | upper }}",
        "{% if a %}\nyes {{ a }}\n{% endif %}\n",
        "  {%- for x in b.list -%} {{ x }}, {% endfor +%}", "{# note #}\n", "{% raw %}{{ a }}{% endraw %}",
        "{% if n %}n{% elif a == 'v' %}{% if a %}deep{% endif %}{% else %}e{% endif %}",
        "{% set z = a %}", "{{ z | default('-') }}",
    ]
)  # fmt: skip
SCOPE = {"a": "v<&>", "b": {"c": 7, "list": [1, "two"]}, "n": None}


@example("{% set z = a %}text \n\n")
@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_program_renders_what_jinja_renders(source):
    assert render_text(compile_template(source), SCOPE) == ENVIRONMENT.from_string(source).render(SCOPE)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%#-+ \nab.|'\"[](", max_size=30))
def test_any_text_compiles_or_is_refused_with_a_line(source):
    try:
        template = compile_template(source)
    except TemplateSyntax as error:
        fault = error
    else:
        if all(isinstance(segment, Literal) for segment in template.segments):
            assert render_text(template, {}) == "".join(s.text for s in template.segments)
        return
    assert 1 <= fault.line <= source.count("\n") + 1
    assert fault.fix
