"""`haloctl batch` and what reads its runs, through the installed command."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).parent / "haloctl"


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_summary_object_and_rows(place):
    done = place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert list(summary) == [
        "run", "status", "rows", "nodes", "tokens", "model_loads", "estimate_s", "makespan_s", "workers",
    ]  # fmt: skip
    assert summary["rows"] == {"ok": 3, "failed": 0, "quarantined": 0}
    assert set(summary["nodes"]) >= {"logical", "executed", "coalesced", "cached", "skipped"}
    assert (summary["nodes"]["logical"], summary["nodes"]["executed"]) == (6, 4)
    assert set(summary["tokens"]) == {"prompt_logical", "prefill_computed", "prefix_reused", "decoded"}
    assert "busy_s" in summary["workers"]["echo"]
    rows = rows_of(place.read("out.jsonl"))
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert rows[0]["outputs"] == rows[2]["outputs"] != rows[1]["outputs"]


def test_choices_are_said_on_stderr_and_results_alone_are_on_stdout(place):
    done = place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "-")
    assert len(rows_of(done.stdout)) == 3
    assert "haloctl: worker echo: echo" in done.stderr
    assert "3/3 rows" in done.stderr
    assert "rows on stdout" in done.stderr


def test_stdin_to_stdout(place):
    done = place.run(
        "batch", "ask.yaml", "-i", "-", "--input-format", "jsonl", "-o", "-", input='{"question": "x"}\n'
    )
    assert done.returncode == 0, done.stderr
    assert len(rows_of(done.stdout)) == 1


def test_failed_rows_exit_with_3_and_do_not_stop_the_others(place):
    place.write("q.csv", "question\ngood\nbad\nfine\n")
    done = place.run("batch", "shaky.yaml", "-i", "q.csv", "-o", "out.csv", "--json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["status"] == "failed_rows"
    lines = place.read("out.csv").splitlines()
    assert lines[0].startswith("row,id,status,checked,remark,error_code")
    assert lines[1].startswith("0,1,ok,GOOD")
    assert "python_raised" in lines[2]
    assert lines[3].startswith("2,3,ok,FINE")


def test_naive_and_optimized_runs_agree(place):
    flags = ["batch", "ask.yaml", "-i", "questions.csv", "--json", "-o"]
    naive = json.loads(place.run(*flags, "naive.jsonl", "--naive").stdout)
    clever = json.loads(place.run(*flags, "clever.jsonl").stdout)
    assert place.read("naive.jsonl") == place.read("clever.jsonl")
    assert (naive["nodes"]["executed"], clever["nodes"]["executed"]) == (6, 4)


def test_cache_serves_a_second_run(place):
    flags = ["batch", "ask.yaml", "-i", "questions.csv", "--json", "--cache", "-o"]
    first = json.loads(place.run(*flags, "one.jsonl").stdout)
    second = json.loads(place.run(*flags, "two.jsonl").stdout)
    assert first["nodes"]["cached"] == 0
    assert second["nodes"]["executed"] == 0
    assert place.read("one.jsonl") == place.read("two.jsonl")


def test_parquet_usage_mapping_limit_and_order(place):
    place.write("q.csv", "name,text\nx,one\ny,two\nz,three\n")
    done = place.run(
        *("batch", "ask.yaml", "-i", "q.csv", "-o", "out.parquet", "--usage", "--order", "completion"),
        *("--map", "text=question", "--id", "name", "--limit", "2", "--window", "1"),
    )
    assert done.returncode == 0, done.stderr
    table = pq.read_table(place.folder / "out.parquet").to_pylist()
    assert sorted(row["id"] for row in table) == ["x", "y"]
    assert all(row["prompt_tokens"] > 0 for row in table)


def test_several_workflows_in_one_batch(place):
    place.write("q.csv", "workflow,question\nask,one\nshaky,two\n")
    done = place.run("batch", "ask.yaml", "shaky.yaml", "-i", "q.csv", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    rows = rows_of(place.read("out.jsonl"))
    assert [row["workflow"] for row in rows] == ["ask", "shaky"]
    assert rows[1]["outputs"]["checked"] == "TWO"


def test_a_workflow_of_tools_alone_needs_no_worker(place):
    done = place.run("batch", "tools_only.yaml", "-i", "questions.csv", "-o", "out.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["workers"] == {}
    assert len(rows_of(place.read("out.jsonl"))) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["batch", "ask.yaml", "-i", "none.csv", "-o", "o.jsonl"], 65, "none.csv"),
        (["batch", "ask.yaml", "-i", "other.csv", "-o", "o.jsonl"], 65, "'question'"),
        (["batch", "ask.yaml", "-i", "empty.csv", "-o", "o.jsonl"], 65, "no rows"),
        (["batch", "ask.yaml", "-i", "questions.csv", "-o", "o.xyz"], 2, "--output-format"),
        (["batch", "ask.yaml", "-i", "questions.csv", "-o", "taken.jsonl"], 2, "--overwrite"),
        (["batch", "none.yaml", "-i", "questions.csv", "-o", "o.jsonl"], 2, "none.yaml"),
        (["batch", "broken.yaml", "-i", "questions.csv", "-o", "o.jsonl"], 2, "broken.yaml:"),
        (["batch", "ask.yaml", "-i", "questions.csv"], 2, "--output"),
        (["batch", "ask.yaml", "-o", "o.jsonl"], 2, "-i"),
        (["batch", "ask.yaml", "-i", "q", "-o", "o.jsonl", "--window", "0"], 2, "--window 0"),
        (["batch", "ask.yaml", "-i", "q", "-o", "o.jsonl", "--scheduler", "epoch"], 2, "epoch_dp"),
        (["frobnicate"], 2, "frobnicate"),
        (["resume", "nothing"], 2, "no run"),
        (["resume"], 2, "see haloctl resume --help"),
        (["show", "nothing"], 2, "no run"),
    ],
)
def test_faults_have_their_exit_code_and_say_why(place, arguments, code, words):
    place.write("other.csv", "x\n1\n")
    place.write("empty.csv", "question\n")
    place.write("taken.jsonl", "mine\n")
    place.write("broken.yaml", "workflow: broken\ninputs: {}\n")
    done = place.run(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert place.read("taken.jsonl") == "mine\n"
    assert not (place.folder / "runs").exists()


def test_a_run_can_be_listed_and_shown_down_to_one_query(place):
    place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl")
    (listed,) = json.loads(place.run("runs", "--json").stdout)
    assert listed["status"] == "ok"
    shown = place.run("show", listed["run"][:15])
    assert "3 ok, 0 failed" in shown.stdout
    path = json.loads(place.run("show", "last", "b", "--json").stdout)[0]
    assert [step["operator"] for step in path["steps"]] == ["ask/keyword", "ask/answer"]
    assert path["steps"][1]["messages"][0] == {"role": "system", "content": "You answer briefly."}
    assert path["result"]["outputs"]["answer"]
    text = place.run("show", "last", "#0").stdout
    assert "user: Keyword of: what" in text
    assert "shared with 1 other: #2 c" in text
    assert place.run("show", "last", "zzz").returncode == 65


def test_text_of_data_cannot_drive_the_terminal(place):
    evil = "\x1b]52;c;aGk=\x07\x1b[31mred"
    place.write("q.jsonl", json.dumps({"id": evil, "question": evil}) + "\n")
    place.run("batch", "ask.yaml", "-i", "q.jsonl", "-o", "out.jsonl")
    shown = place.run("show", "last", "#0")
    assert "red" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_plan_explains_without_running(place):
    done = place.run("plan", "ask.yaml", "-i", "questions.csv")
    assert done.returncode == 0, done.stderr
    assert "PLAN by epoch_dp: 3 queries" in done.stdout
    plan = json.loads(place.run("plan", "ask.yaml", "-i", "questions.csv", "--json").stdout)
    assert isinstance(plan, dict)
    assert not (place.folder / "runs").exists()


@pytest.mark.parametrize("arguments", [["schema"], ["models"], ["--help"]])
def test_reading_commands_survive_a_reader_that_goes_away(place, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = subprocess.run(
            [COMMAND, *arguments], stdout=nobody, stderr=subprocess.PIPE, text=True, cwd=place.folder
        )
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.fixture
def gate(place):
    """A file that calls of `wait:FILE` wait for, locked until the test releases it."""
    path = place.folder / "gate"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield held


def _start_waiting(place):
    """A run of ten rows: one is done, the others wait; its stderr was read until then."""
    waiting = f"wait:{place.folder / 'gate'}\n"
    place.write("q.csv", "question\nfirst\n" + waiting * 9)
    flags = ["--progress", "plain", "--order", "completion", "--no-merge", "--no-coalesce"]
    process = place.start("batch", "shaky.yaml", "-i", "q.csv", "-o", "out.jsonl", *flags)
    for line in process.stderr:
        if line.startswith("1/10 rows"):
            return process
    raise AssertionError("the first row never came")


def _resume(place, err):
    """Follow the command that was printed, then the output holds each row once."""
    command = re.search(r"haloctl (resume \S+)", err)
    assert command, err
    done = place.run(*command[1].split(), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rows"]["ok"] == 10
    nodes = report["nodes"]  # of both attempts
    assert (nodes["logical"], nodes["executed"], nodes["cached"]) == (20, 20, 0)
    assert report["estimate_s"] > 0
    assert sorted(row["row"] for row in rows_of(place.read("out.jsonl"))) == list(range(10))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_first_signal_drains_and_the_printed_command_goes_on(place, gate, number, code):
    process = _start_waiting(place)
    process.send_signal(number)
    next(line for line in process.stderr if "letting running work finish" in line)
    fcntl.flock(gate, fcntl.LOCK_UN)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert 1 < len(rows_of(place.read("out.jsonl"))) < 10
    _resume(place, err)


def test_second_signal_stops_at_once_and_the_run_resumes(place, gate):
    process = _start_waiting(place)
    process.send_signal(signal.SIGINT)
    next(line for line in process.stderr if "letting running work finish" in line)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    fcntl.flock(gate, fcntl.LOCK_UN)
    _resume(place, err)


def test_a_second_coordinator_is_refused(place, gate):
    process = _start_waiting(place)
    refused = place.run("resume", "last")
    assert refused.returncode == 73, refused.stderr
    fcntl.flock(gate, fcntl.LOCK_UN)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_changed_input_is_not_resumed(place, gate):
    process = _start_waiting(place)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    place.write("q.csv", "question\nother\n")
    refused = place.run("resume", "last")
    assert refused.returncode == 65, refused.stderr
    assert "changed" in refused.stderr


def test_show_analyze_puts_what_was_measured_beside_the_estimates(place):
    place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl")
    shown = place.run("show", "last", "--analyze")
    assert shown.returncode == 0, shown.stderr
    assert "ANALYZE" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    facts = json.loads(place.run("show", "last", "--analyze", "--json").stdout)
    assert {entry["operator"]: entry["executed"] for entry in facts["operators"]} == {
        "ask/keyword": 2,
        "ask/answer": 2,
    }
    assert place.run("show", "last", "#0", "--analyze").returncode == 2
