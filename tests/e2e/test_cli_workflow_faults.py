"""Workflow files as people break them, through `validate` and `batch`: file and line, and no traceback."""

import json

import pytest

pytestmark = pytest.mark.slow

IDLE = """
  idle:
    kind: llm
    model: m
    prompt: Nobody asks for this.
outputs:"""


def test_a_file_that_is_not_utf8_is_a_fault_of_its_line(place):
    (place.folder / "latin.yaml").write_bytes(place.read("ask.yaml").encode() + b"# caf\xe9\n")
    lines = place.read("ask.yaml").count("\n")
    for command in (["validate"], ["batch", "-i", "questions.csv", "-o", "out.jsonl"]):
        done = place.run(command[0], "latin.yaml", *command[1:])
        assert done.returncode == 2
        assert f"latin.yaml:{lines + 1}:" in done.stderr
        assert "not UTF-8" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_unknown_database_is_a_fault_of_its_line(place):
    sql = "operators:\n  rows: {kind: sql, database: tcph, query: select 1}\noutputs: {n: '{{ rows }}'}\n"
    place.write("sql.yaml", "workflow: w\ninputs: {}\n" + sql)
    done = place.run("validate", "sql.yaml", "--json")
    assert done.returncode == 2
    (fault,) = json.loads(done.stdout)["faults"]
    assert (fault["line"], fault["field"]) == (4, "operators.rows.database")
    assert "'tpch'" in fault["fix"]


def test_warnings_stand_on_stderr_and_stop_nothing(place):
    place.write("ask.yaml", place.read("ask.yaml").replace("\noutputs:", IDLE, 1))
    line = place.read("ask.yaml").splitlines().index("  idle:") + 1
    for command in (["validate"], ["batch", "-i", "questions.csv", "-o", "out.jsonl"]):
        done = place.run(command[0], "ask.yaml", *command[1:])
        assert done.returncode == 0, done.stderr
        assert f"ask.yaml:{line}:" in done.stderr
        assert "warning: no output needs 'idle'" in done.stderr
    shown = json.loads(place.run("validate", "ask.yaml", "--json").stdout)
    assert [warning["line"] for warning in shown["workflows"][0]["warnings"]] == [line]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("functions.py:chekc", "defines no chekc"),
        ("function.py:check", "there is no file"),
        ("no_such_package.module:check", "there is no module"),
        ("broken.py:check", "not valid Python"),
    ],
)
def test_a_function_that_is_not_there_is_a_fault_of_its_line(place, function, message):
    place.write("broken.py", "def check(:\n")
    place.write("tools_only.yaml", place.read("tools_only.yaml").replace("functions.py:check", function))
    line = next(i for i, text in enumerate(place.read("tools_only.yaml").splitlines(), 1) if function in text)
    done = place.run("validate", "tools_only.yaml")
    assert done.returncode == 2
    assert f"tools_only.yaml:{line}:" in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize("line", ["from json import dumps as check", "check = len", "if 1:\n    check = 1"])
def test_a_function_may_come_to_its_file_in_any_way(place, line):
    place.write("functions.py", f'"""Words."""\n{line}\n')
    assert place.run("validate", "tools_only.yaml", "shaky.yaml").returncode == 0
