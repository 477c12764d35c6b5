"""Every fault of a workflow file names its line, its field, its code and the fix."""

import pytest

from engine.errors import SpecErrors
from engine.parser import load_workflow, lower
from tools import REGISTRY

HEAD = """\
workflow: w
inputs:
  q: {type: string}
models: {small: mini-s}
"""
TAIL = """
outputs: {answer: "{{ a }}"}
"""
L = '  a:\n    kind: llm\n    model: small\n    prompt: "{{ q }}"\n'
B = L.removesuffix('"{{ q }}"\n')
A = '  a: {kind: llm, model: small, prompt: "{{ q }}"}\n'


def operators(text):
    return HEAD + "operators:\n" + text + TAIL


def faults_of(text, *, models=None, known=None):
    try:
        source = load_workflow(text.encode(), REGISTRY, name="flow.yaml")
        lower(source, REGISTRY, models, known=known)
    except SpecErrors as errors:
        return errors.errors
    return ()


def line_of(text, needle):
    return next(i for i, line in enumerate(text.splitlines(), 1) if needle in line)


CASES = {
    "duplicate key": (
        operators(A + '  a: {kind: llm, model: small, prompt: "again"}\n'),
        "again", "operators.a", "duplicate_key", "already on line 6", "rename one"),
    "unknown top field": (
        HEAD + "operatrs: {}\noperators:\n" + A + TAIL,
        "operatrs", "operatrs", "unknown_field", "no field 'operatrs'", "did you mean 'operators'"),
    "unknown operator field": (
        operators(L + '    max_token: 3\n'),
        "max_token:", "operators.a.max_token", "unknown_field", "max_token", "did you mean 'max_tokens'"),
    "missing field": (
        operators("  a: {kind: llm, model: small}\n"),
        "  a:", "operators.a", "missing_field", "'prompt' is missing", "add `prompt:`"),
    "missing kind": (
        operators("  a: {model: small}\n"),
        "  a:", "operators.a", "missing_field", "'kind' is missing", "llm, loop, sql"),
    "unknown kind": (
        operators("  a: {kind: sqll, query: x}\n"),
        "sqll", "operators.a.kind", "unknown_kind", "'sqll'", "did you mean 'sql'"),
    "wrong type": (
        operators(L + '    max_tokens: many\n'),
        "many", "operators.a.max_tokens", "wrong_type", "number from 1 to 2147483647, got text 'many'",
        "without quotes"),
    "out of range": (
        operators(L + '    retries: 11\n'),
        "retries", "operators.a.retries", "wrong_type", "from 0 to 10, got a whole number 11", "write a"),
    "wrong type in a list": (
        operators(L + '    stop:\n      - x\n      - 3\n'),
        "- 3", "operators.a.stop[1]", "wrong_type", "expected text, got a whole number 3", "quotes"),
    "wrong choice": (
        operators(A.replace("}\n", ", effects: writes}\n")),
        "writes", "operators.a.effects", "wrong_type", "one of none, read, write", "did you mean 'write'"),
    "nested struct": (
        operators(L + '    sampling:\n      temprature: 1\n'),
        "temprature", "operators.a.sampling.temprature", "unknown_field", "temprature", "temperature"),
    "input type": (
        HEAD.replace("string", "strings") + "operators:\n" + A + TAIL,
        "strings", "inputs.q.type", "wrong_type", "one of", "did you mean 'string'"),
    "input default": (
        HEAD.replace("string}", "integer, default: few}") + "operators:\n" + A + TAIL,
        "few", "inputs.q.default", "wrong_type", "of type integer, its default is text", "integer default"),
    "bad name": (
        operators(A + '  2b: {kind: llm, model: small, prompt: "x"}\n'),
        "2b", "operators.2b", "bad_name", "'2b'", "letters"),
    "reserved name": (
        operators(A + '  previous: {kind: llm, model: small, prompt: "x"}\n'),
        "previous", "operators.previous", "reserved_name", "'previous'", "another name"),
    "operator called like an input": (
        operators(A + '  q: {kind: llm, model: small, prompt: "x"}\n'),
        '"x"', "operators.q", "name_clash", "already names an input", "rename"),
    "unknown reference": (
        operators(A.replace("{{ q }}", "{{ qq }}")),
        "qq", "operators.a.prompt", "unknown_name", "nothing here is called 'qq'", "did you mean 'q'"),
    "unknown reference in a block": (
        operators(B + "|\n      one\n      two {{ q }}\n\n      {{ zz }}\n"),
        "zz", "operators.a.prompt", "unknown_name", "'zz'", "inputs and operators: a, q"),
    "template syntax in a block": (
        operators(B + "|\n      {{ q }}\n      {% if q %}\n      {{ q | }}\n"),
        "q | ", "operators.a.prompt", "template_syntax", "expected", "check the braces"),
    "unknown filter": (
        operators(A.replace("{{ q }}", "{{ q | uper }}")),
        "uper", "operators.a.prompt", "template_syntax", "no filter 'uper'", "did you mean 'upper'"),
    "method call": (
        operators(A.replace("{{ q }}", "{{ q.upper() }}")),
        "upper", "operators.a.prompt", "template_syntax", "cannot be called", "filter"),
    "condition syntax": (
        operators(A.replace("}\n", ", when: 'q >'}\n")),
        "when", "operators.a.when", "template_syntax", "", "check the braces"),
    "field of text": (
        operators(A + '  b: {kind: llm, model: small, prompt: "{{ a.year }}"}\n'),
        "a.year", "operators.b.prompt", "unproduced_field", "a (text, having no schema) has no field 'year'",
        "{{ a }}"),
    "field no table has": (
        operators(A + '  r: {kind: sql, database: d, query: "SELECT 1"}\n'
                      '  b: {kind: llm, model: small, prompt: "{{ r.rowz }}"}\n'),
        "rowz", "operators.b.prompt", "unproduced_field", "r (a sql result) has no field 'rowz'", "'rows'"),
    "one key for all writes": (
        operators(A + '  b: {kind: http, method: POST, url: "https://x.org/", idempotency_key: once}\n'),
        "idempotency", "operators.b.idempotency_key", "bad_value", "the same for every row", "{{"),
    "field not in the schema": (
        operators(L + '    schema:\n      type: object\n'
                  '      properties: {year: {type: integer}}\n'
                  '  b: {kind: llm, model: small, prompt: "{{ a.yaer }}"}\n'),
        "yaer", "operators.b.prompt", "unproduced_field", "has no field 'yaer'", "did you mean 'year'"),
    "field of an input": (
        operators(A.replace("{{ q }}", "{{ q.city }}")),
        "city", "operators.a.prompt", "unproduced_field", "q (a string) has no field 'city'", "{{ q }}"),
    "cycle": (
        operators('  a: {kind: llm, model: small, prompt: "{{ c }}"}\n'
                  '  b: {kind: llm, model: small, prompt: "{{ a }}"}\n'
                  '  c: {kind: llm, model: small, prompt: "{{ b }}"}\n'),
        "{{ c }}", "operators.a.prompt", "cycle", "a → c → b → a", "break the circle"),
    "reads itself": (
        operators(A.replace("{{ q }}", "{{ a }}")),
        "  a:", "operators.a.prompt", "cycle", "a reads itself", "break"),
    "unknown alias of a model": (
        operators(A.replace("small", "smal")),
        "smal,", "operators.a.model", "unknown_model", "'smal'", "did you mean 'small'"),
    "schema is no schema": (
        operators(L + '    schema:\n      type: objekt\n'),
        "objekt", "operators.a.schema.type", "bad_schema", "not valid JSON Schema", "json-schema.org"),
    "schema cannot be enforced": (
        operators(L + '    schema:\n      type: array\n'
                  "      items: {type: integer}\n      uniqueItems: true\n"),
        "uniqueItems", "operators.a.schema.uniqueItems", "bad_schema", "cannot be enforced", "python"),
    "schema requires what it lacks": (
        operators(L + '    schema:\n      type: object\n'
                  "      properties: {x: {type: integer}}\n      required: [x, y]\n"),
        "[x, y]", "operators.a.schema.required", "bad_schema", "'y' is required", "properties"),
    "schema refers to an anchor": (
        operators(L + '    schema:\n      $ref: "#no"\n'),
        "$ref", "operators.a.schema.$ref", "bad_schema", "points at nothing", "$defs"),
    "schema that is only itself": (
        operators(L + '    schema:\n      $ref: "#"\n'),
        "$ref", "operators.a.schema", "bad_schema", "contains itself, without end", "optional"),
    "schema that never ends": (
        operators(L + '    schema:\n      type: object\n      required: [next]\n'
                      '      properties:\n        next:\n          anyOf:\n          - $ref: "#"\n'
                      '          - {type: array, minItems: 1, items: {$ref: "#"}}\n'),
        "type: object", "operators.a.schema", "bad_schema", "contains itself, without end", "null"),
    "schema whose optional part never ends": (
        operators(L + '    schema:\n      type: object\n'
                      '      properties:\n        a: {$ref: "#/properties/a"}\n'),
        "a: {$ref", "operators.a.schema.properties.a", "bad_schema", "without end", "optional"),
    "schema with bounds crossed": (
        operators(L + '    schema:\n      type: integer\n      minimum: 5\n      maximum: 1\n'),
        "minimum", "operators.a.schema.minimum", "bad_schema", "minimum is 5, maximum is 1", "swap"),
    "schema of no value": (
        operators(L + '    schema:\n      enum: []\n'),
        "enum", "operators.a.schema.enum", "bad_schema", "empty enum", "list"),
    "schema with a broken pattern": (
        operators(L + '    schema:\n      type: string\n      pattern: "("\n'),
        "pattern", "operators.a.schema.pattern", "bad_schema", "not a regular expression", "pattern"),
    "number beyond 64 bits": (
        operators(L + '    max_tokens: 99999999999999999999999\n'),
        "max_tokens", "operators.a.max_tokens", "bad_value", "64 bits", "smaller"),
    "half a surrogate pair": (
        operators(B + '"a \\uD800"\n'),
        "uD800", "operators.a.prompt", "bad_value", "lone surrogate", "character"),
    "half a surrogate pair in a template": (
        operators(B + "'{{ \"\\udfff\" }}'\n"),
        "udfff", "operators.a.prompt", "template_syntax", "surrogate", "character"),
    "too long a wait": (
        operators(L + '    timeout_s: 1.0e300\n'),
        "timeout_s", "operators.a.timeout_s", "wrong_type", "to 604800", "604800"),
    "schema refers to nothing": (
        operators(L + '    schema:\n      $ref: "#/$defs/no"\n'),
        "$ref", "operators.a.schema.$ref", "bad_schema", "points at nothing", "$defs"),
    "block in SQL": (
        operators(A + "  b:\n    kind: sql\n    database: d\n    query: |\n      SELECT 1\n      {% if a %}\n"
                  "      WHERE 1 = 1\n      {% endif %}\n"),
        "{% if", "operators.b.query", "spliced_text", "bound as parameters", "{{ … }} only"),
    "quoted slot in SQL": (
        operators(A + "  b:\n    kind: sql\n    database: d\n    query: |\n      SELECT '{{ a }}'\n"),
        "SELECT", "operators.b.query", "bad_value", "inside quotes", "remove the quotes"),
    "constant output": (
        HEAD + "operators:\n" + A + 'outputs:\n  answer: "{{ a }}"\n  other: "fixed"\n',
        "fixed", "outputs.other", "constant_output", "neither", "{{ operator }}"),
    "output of nothing": (
        HEAD + "operators:\n" + A + 'outputs:\n  answer: "{{ merge }}"\n',
        "merge", "outputs.answer", "unknown_name", "'merge'", "inputs and operators"),
    "no operators": (
        HEAD + "operators: {}\noutputs: {answer: '{{ q }}'}\n",
        "operators", "operators", "empty", "no operators", "at least one"),
    "loop name from inside": (
        operators(A + "  l:\n    kind: loop\n    max_iterations: 2\n    operators:\n"
                  '      d: {kind: llm, model: small, prompt: "{{ l.d }}"}\n'),
        "l.d", "operators.l.operators.d.prompt", "cycle", "the loop this stands in", "previous.d"),
    "loop member from outside": (
        operators('  a: {kind: llm, model: small, prompt: "{{ d }}"}\n'
                  '  l:\n    kind: loop\n    max_iterations: 2\n'
                  '    operators:\n      d: {kind: llm, model: small, prompt: "{{ q }}"}\n'),
        "{{ d }}", "operators.a.prompt", "unknown_name", "'d'", "write l.d"),
    "previous outside a loop": (
        operators(A.replace("{{ q }}", "{{ previous.a }}")),
        "previous", "operators.a.prompt", "unknown_name", "'previous'", "inside a loop only"),
    "loop field": (
        operators(A + "  l:\n    kind: loop\n    max_iterations: 2\n    retries: 2\n    operators:\n"
                  '      d: {kind: llm, model: small, prompt: "{{ q }}"}\n'),
        "retries", "operators.l.retries", "bad_value", "no 'retries' of its own", "inside"),
    "too many unrolled": (
        operators(A + "  l:\n    kind: loop\n    max_iterations: 64\n    operators:\n"
                  "      m:\n        kind: loop\n"
                  "        max_iterations: 64\n        operators:\n"
                  '          d: {kind: llm, model: small, prompt: "{{ q }}"}\n'
                  '          e: {kind: llm, model: small, prompt: "{{ q }}"}\n'),
        "operators:", "operators", "too_many", "8193", "lower max_iterations"),
    "llm with effects": (
        operators(A.replace("}\n", ", effects: write}\n")),
        "effects", "operators.a.effects", "bad_value", "no effects", "leave"),
    "sampled but deterministic": (
        operators(A.replace("}\n", ", deterministic: true, sampling: {temperature: 1}}\n")),
        "deterministic", "operators.a.deterministic", "bad_value", "not deterministic", "seed"),
    "bad function": (
        operators(A + "  b: {kind: python, function: nothing}\n"),
        "nothing", "operators.b.function", "bad_value", "not a function", "file.py:name"),
    "slot in a fixed field": (
        operators(A + '  b: {kind: python, function: "{{ q }}.py:f"}\n'),
        "{{ q }}.py", "operators.b.function", "template_syntax", "takes no", "constant"),
    "YAML syntax": (
        operators("  a: {kind: llm\n  b: x\n"),
        "b: x", "", "yaml", "not valid YAML", "indentation"),
    "braces without quotes": (
        operators("  a: {kind: llm, model: small, prompt: {{ q }} }\n"),
        "  a:", "", "yaml_refused", "as a key", "needs quotes"),
    "alias": (
        HEAD + "operators: &x\n" + A + TAIL,
        "&x", "", "yaml_refused", "an anchor", "write the value out"),
    "tag": (
        HEAD + "operators:\n  a: !!python/object:os.system {}\n" + TAIL,
        "!!python", "", "yaml_refused", "a tag", "leave the tag out"),
    "second document": (
        operators(A) + "---\nworkflow: x\n",
        "---", "", "yaml_refused", "second document", "own file"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_fault_points_at_its_line(name):
    text, needle, field, code, message, fix = CASES[name]
    faults = faults_of(text)
    found = [(f.at.line, f.at.field, f.code) for f in faults]
    assert (line_of(text, needle), field, code) in found, "\n".join(map(str, faults))
    fault = next(f for f in faults if f.code == code and f.at.field == field)
    assert message in fault.message
    assert fix in (fault.fix or "")
    assert str(fault).startswith(f"flow.yaml:{fault.at.line}:")
    assert len(faults) == 1, "\n".join(map(str, faults))


def test_settings_are_checked_where_the_name_stands():
    text = operators(A + '  b: {kind: sql, database: tpcc, query: "SELECT {{ a }}"}\n')
    faults = faults_of(text, models={"mini-l"}, known={"database": {"tpch"}})
    assert [(f.at.line, f.at.field, f.code) for f in faults] == [
        (4, "models.small", "unknown_model"),
        (7, "operators.b.database", "unknown_database"),
    ]
    assert "did you mean 'mini-l'" in faults[0].fix
    assert "did you mean 'tpch'" in faults[1].fix


def test_all_faults_come_at_once_in_file_order():
    text = (
        operators(
            '  a: {kind: llm, model: smal, prompt: "{{ qq }}", max_tokens: 0}\n'
            '  b: {kind: llm, model: small, prompt: "{{ a.x }} {{ c }}", tipo: 1}\n'
        )
        + 'extra: "{{"\n'
    )
    faults = faults_of(text)
    assert [(f.at.line, f.code) for f in faults] == [
        (6, "unknown_name"),
        (6, "wrong_type"),
        (7, "unknown_name"),
        (7, "unknown_field"),
        (10, "unknown_field"),
    ]  # what hangs on the broken operator `a` (its model, its fields) waits until it can be read


def test_a_file_that_is_no_workflow():
    assert faults_of("just text")[0].code == "wrong_type"
    assert faults_of("")[0].code == "wrong_type"
    assert faults_of("[1, 2]")[0].at.line == 1
    assert faults_of("a: " + "[" * 40 + "]" * 40)[0].message.startswith("nesting deeper than 32")
    assert faults_of("a: [" + "1," * 50_001 + "]")[0].message.startswith("a file of over 50000 values")
    assert faults_of("# " + "x" * (1 << 20))[0].code == "too_large"
    (fault,) = faults_of("workflow: w\ninputs: \x07\n")
    assert (fault.at.line, fault.code) == (2, "yaml")
    with pytest.raises(SpecErrors) as caught:
        load_workflow(b"workflow: w\n# \xff\n", REGISTRY)
    assert caught.value.errors[0].at.line == 2
    with pytest.raises(SpecErrors) as caught:
        load_workflow("/nonexistent/flow.yaml", REGISTRY)
    assert caught.value.errors[0].code == "unreadable"


def test_unused_operator_is_a_warning():
    source = load_workflow(
        operators(A + '  b: {kind: llm, model: small, prompt: "{{ q }}"}\n').encode(),
        REGISTRY,
        name="flow.yaml",
    )
    assert [(w.at.line, w.at.field) for w in source.warnings] == [(7, "operators.b")]
    written = operators(A + '  b: {kind: http, method: POST, url: "http://x/{{ q }}"}\n')
    assert not load_workflow(written.encode(), REGISTRY).warnings
