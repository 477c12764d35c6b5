"""Commands that read and check: validate, schema, models, doctor, completion, calibrate, demo."""

import json
import re
import signal

import pytest

pytestmark = pytest.mark.slow


def test_validate_says_what_it_found(place):
    done = place.run("validate", "ask.yaml", "shaky.yaml", "--json")
    assert done.returncode == 0, done.stderr
    facts = {workflow["workflow"]: workflow for workflow in json.loads(done.stdout)["workflows"]}
    assert facts["ask"]["models"] == ["toy"]
    assert facts["shaky"]["tools"] == ["python"]


def test_validate_reports_the_faults_of_all_files_with_file_and_line(place):
    place.write("a.yaml", place.read("ask.yaml").replace("{{ keyword }}", "{{ keywrod }}"))
    place.write("b.yaml", place.read("ask.yaml").replace("m: toy", "m: tyo"))
    done = place.run("validate", "a.yaml", "b.yaml")
    assert done.returncode == 2
    assert "a.yaml:16:" in done.stderr
    assert "did you mean 'keyword'" in done.stderr
    assert "b.yaml:5:" in done.stderr
    assert "'toy'" in done.stderr
    faults = json.loads(place.run("validate", "a.yaml", "b.yaml", "--json").stdout)["faults"]
    assert {fault["line"] for fault in faults} >= {5, 16}


def test_schema_is_the_published_one(place):
    from pathlib import Path

    published = Path(__file__).resolve().parents[2] / "docs/reference/workflow.schema.json"
    assert json.loads(place.run("schema").stdout) == json.loads(published.read_text(encoding="utf-8"))


def test_models_lists_configured_and_embedded_ones(place):
    found = {model["model"]: model for model in json.loads(place.run("models", "--json").stdout)}
    assert found["toy"]["backend"] == "echo"
    assert found["haloctl-mini"]["embedded"]


def test_doctor_is_content_with_a_sound_installation(place):
    done = place.run("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report
    subjects = {finding["subject"] for finding in report["findings"]}
    assert {"installation", "machine", "runs", "cache", "worker"} <= subjects


def test_doctor_finds_what_would_stop_a_batch(place):
    broken = '[models.gone]\ngguf = "gone.gguf"\n[databases.none]\nurl = "sqlite:none.db"\n'
    place.write("haloctl.toml", broken)
    done = place.run("doctor")
    assert done.returncode == 2
    assert "FAULT    model gone" in done.stdout
    assert "FAULT    database none" in done.stdout
    assert "fix:" in done.stdout


def test_settings_fault_has_file_and_line(place):
    place.write("haloctl.toml", "[run]\nwindows = 3\n")
    done = place.run("models")
    assert done.returncode == 2
    assert "haloctl.toml:2" in done.stderr
    assert "did you mean 'window'" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_know_the_commands(place, shell):
    done = place.run("completion", shell)
    assert done.returncode == 0, done.stderr
    assert "calibrate" in done.stdout


def test_calibrate_measures_and_the_planner_uses_it(place):
    done = place.run("calibrate", "toy", "--quick", "--json", HALOCTL_PATHS__CACHE=str(place.folder / "c"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["toy"]["decode"]
    planned = place.run(
        "plan", "ask.yaml", "-i", "questions.csv", HALOCTL_PATHS__CACHE=str(place.folder / "c")
    )
    assert "measured" in planned.stdout


def test_demo_answers_with_real_models_over_a_real_database(place):
    # The eighth question is about the first one's market.
    done = place.run("demo", "--limit", "8", "-o", "answers.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rows"]["ok"] == 8
    assert report["tokens"]["prefix_reused"] > 0
    assert report["nodes"]["executed"] < report["nodes"]["logical"]
    rows = [json.loads(line) for line in place.read("answers.jsonl").splitlines()]
    assert all(row["outputs"]["sales"] for row in rows if row["status"] == "ok")


def test_demo_shows_questions_beside_whole_answers_and_what_was_shared(place):
    done = place.run("demo", "--limit", "2", "-o", "answers.jsonl", "--progress", "none")
    assert done.returncode in (0, 3), done.stderr
    shown, _, rest = done.stdout.partition("what was shared")
    assert max(map(len, shown.splitlines())) <= 100
    column = shown.splitlines()[0].index("answer")
    said = "".join("".join(line[column:].split()) for line in shown.splitlines())
    for row in map(json.loads, place.read("answers.jsonl").splitlines()):
        answer = row["outputs"]["brief"] if row["status"] == "ok" else row["error"]["code"]
        assert "".join(answer.split())[:200] in said
    for word in ("calls of model and database", "prompt tokens", "questions", "time", "answers", "run"):
        assert re.search(rf"^ ?{word} ", rest, re.MULTILINE), rest
    assert "estimated" in rest


def test_calibrate_without_names_measures_all_models_of_the_settings(place):
    done = place.run("calibrate", "--quick", "--json", HALOCTL_PATHS__CACHE=str(place.folder / "c"))
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"toy", "other"}
    assert "measuring toy on worker echo: seconds" in done.stderr


def test_calibrate_takes_the_embedded_models_without_settings_and_says_so_when_interrupted(place):
    place.write("haloctl.toml", place.read("haloctl.toml").partition("[paths]")[2].join(["[paths]", ""]))
    process = place.start("calibrate")
    for line in process.stderr:
        if "measuring haloctl-mini on worker cpu: a few minutes at most" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "haloctl: interrupted: what was measured before is kept"
