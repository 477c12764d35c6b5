"""`--cache`: what a later run takes over, and what it asks anew."""

import json
import sqlite3

import pytest

pytestmark = pytest.mark.slow

WORKFLOW = """
workflow: cached
inputs: {question: {type: string}}
models: {m: toy}
operators:
  asked: {kind: llm, model: m, prompt: "{{ question }}", max_tokens: 4}
  sampled: {kind: llm, model: m, prompt: "{{ question }}", max_tokens: 4, sampling: {temperature: 1}}
  counted: {kind: sql, database: notes, query: "SELECT count(*) AS n FROM note"}
  declared: {kind: sql, database: notes, query: "SELECT count(*) AS n FROM note LIMIT 5", deterministic: true}
  called: {kind: python, function: "functions.py:check", arguments: {question: "{{ question }}"}}
  pure:
    kind: python
    function: functions.py:check
    arguments: {question: "{{ question }}"}
    deterministic: true
outputs:
  asked: "{{ asked }}"
  sampled: "{{ sampled }}"
  counted: "{{ counted.value }}"
  declared: "{{ declared.value }}"
  called: "{{ called }}"
  pure: "{{ pure }}"
"""
SETTINGS = """
[databases.notes]
url = "sqlite:notes.db"
"""


@pytest.fixture
def there(place, tmp_path):
    text = place.read("haloctl.toml").splitlines()
    kept = [line for line in text if not line.startswith("cache =")]
    place.write("haloctl.toml", "\n".join(kept) + f'\ncache = "{tmp_path / "own"}"\n' + SETTINGS)
    place.write("cached.yaml", WORKFLOW)
    place.write("one.csv", "question\nwhy\n")
    with sqlite3.connect(place.folder / "notes.db") as notes:
        notes.execute("CREATE TABLE note (text)")
    notes.close()
    return place


def run(place, *flags):
    done = place.run(
        "batch", "cached.yaml", "-i", "one.csv", "-o", "o.jsonl", "--overwrite", "--json", *flags
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["nodes"], json.loads(place.read("o.jsonl"))["outputs"]


def test_models_and_declared_tools_are_kept_the_rest_is_asked_anew(there):
    counts, first = run(there, "--cache")
    assert counts["cached"] == 0
    counts, again = run(there, "--cache")
    assert (counts["cached"], counts["executed"]) == (3, 3)
    assert {name: again[name] for name in ("asked", "declared", "pure")} == {
        name: first[name] for name in ("asked", "declared", "pure")
    }
    assert run(there)[0]["cached"] == 0


def test_what_was_read_is_read_again_once_it_changed(there):
    assert run(there, "--cache")[1]["declared"] == 0
    with sqlite3.connect(there.folder / "notes.db") as notes:
        notes.execute("INSERT INTO note VALUES ('x')")
    notes.close()
    there.write("functions.py", there.read("functions.py").replace("upper", "title"))
    counts, changed = run(there, "--cache")
    assert counts["cached"] == 1  # the model's answer
    assert (changed["declared"], changed["counted"], changed["pure"]) == (1, 1, "Why")


def test_failures_are_never_kept(there):
    there.write("one.csv", "question\nbad\n")
    flags = ("batch", "cached.yaml", "-i", "one.csv", "-o", "o.jsonl", "--overwrite", "--json", "--cache")
    assert there.run(*flags).returncode == 3
    there.write("functions.py", there.read("functions.py").replace('== "bad"', '== "worse"'))
    assert run(there, "--cache")[1]["pure"] == "BAD"


def test_reproducible_runs_take_nothing_from_others(there):
    run(there, "--cache")
    assert run(there, "--cache", "--reproducible")[0]["cached"] == 0
    assert run(there, "--cache", "--reproducible")[0]["cached"] == 3
