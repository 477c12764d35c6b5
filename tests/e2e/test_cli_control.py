"""Runs in the background, and what people do to them from another terminal."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

PATIENT = """
workflow: patient
inputs:
  question: {type: string}
operators:
  check:
    kind: python
    function: functions.py:check
    arguments: {question: "{{ question }}"}
    timeout_s: 600
    retries: 0
outputs:
  checked: "{{ check }}"
"""

WITH_A_MODEL = PATIENT.replace(
    "outputs:",
    "  remark: {kind: llm, model: m, prompt: '{{ question }}', max_tokens: 4}\nmodels: {m: toy}\noutputs:",
)

MENDABLE = '''
"""A function that fails until somebody mends it."""

import fcntl
import os


def check(question):
    if question.startswith("wait:"):
        with open(question.removeprefix("wait:")) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
    if question == "bad" and not os.path.exists("mended"):
        raise ValueError("a bad question")
    return question.upper()
'''


@contextmanager
def closed_gate(place):
    """Rows that ask `wait:gate` wait within; gives a function that opens the gate."""
    path = place.folder / "gate"
    path.write_text("")
    with path.open("rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(gate, fcntl.LOCK_UN)


@pytest.fixture
def background(place):
    """`start(rows, …)`: a detached run; what it says. Whatever is left is killed in the end."""
    begun = []

    def start(rows, *arguments, workflow=PATIENT, **environment):
        place.write("patient.yaml", workflow)
        place.write("rows.csv", "id,question\n" + "".join(f"{id_},{text}\n" for id_, text in rows))
        done = place.run(
            "batch",
            "patient.yaml",
            "-i",
            "rows.csv",
            "-o",
            "out.jsonl",
            "--detach",
            "--json",
            *arguments,
            **environment,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        begun.append(said["pid"])
        return said

    yield start
    for pid in begun:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()


def answers(place, *order, code=0):
    """What a run says to an order, as a script reads it: its answers, one after another."""
    done = place.run("ctl", *order, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)["answers"]


def worker_in(folder):
    """The id of the one worker process of the run in the folder, once it is there."""
    while not (found := [each.pid for each in processes_of(folder) if "engine.worker" in each.cmdline()]):
        pass
    (pid,) = found
    return pid


def waits(place):
    return f"wait:{place.folder / 'gate'}"


def rows_of(place, name="out.jsonl"):
    return [json.loads(line) for line in place.read(name).splitlines()]


def wait_gone(pid):
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=200)


def processes_of(folder: Path):
    """Processes that run in the folder, beside the tests' own."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd() == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return found


def test_a_detached_run_is_watched_and_ordered_about_from_elsewhere(place, background):
    with closed_gate(place) as open_gate:
        said = background(
            [
                ("a", "one"),
                ("b", waits(place)),
                ("c", waits(place).replace("/gate", "/./gate")),
                ("d", "four"),
            ]
        )
        run = said["run"]
        assert Path(said["directory"]).name == run
        (listed,) = json.loads(place.run("runs", "--json").stdout)
        assert (listed["run"], listed["status"], listed["pid"]) == (run, "running", said["pid"])
        assert f"(process {said['pid']})" in place.run("runs").stdout
        first = place.run("ctl", "pause", "--json")
        assert first.returncode == 0, first.stderr
        paused = json.loads(first.stdout)
        assert paused["run"] == run
        assert [(a["type"], a["changed"]) for a in paused["answers"]] == [("Done", True)]
        assert "running" in place.run("ctl", run, "resume").stdout
        assert place.run("ctl", run, "cancel-query", "b").returncode == 0
        again = json.loads(place.run("ctl", run, "cancel-query", "b", "--json").stdout)
        assert again["answers"][0]["changed"] is False
        follower = place.start("attach", run, "--progress", "json")
        assert json.loads(follower.stderr.readline())["run"] == run  # it is attached
        open_gate()
        out, err = follower.communicate(timeout=200)
    assert follower.returncode == 3
    assert out == ""
    last = json.loads([line for line in err.splitlines() if line.startswith("{")][-1])
    assert (last["rows"], last["failed"], last["doing"]) == (4, 1, "finished")
    assert "3 ok, 1 failed" in err
    codes = {row["id"]: row["error"] and row["error"]["code"] for row in rows_of(place)}
    assert codes == {"a": None, "b": "cancelled", "c": None, "d": None}
    wait_gone(said["pid"])
    assert processes_of(place.folder) == []
    assert "3 ok, 1 failed" in (Path(said["directory"]) / "coordinator.log").read_text()
    assert [path.name for path in (place.folder / "runs").iterdir()] == [run]


def test_a_script_goes_on_limits_and_restarts_by_what_the_answers_say(place, background):
    done = {"type": "Done", "changed": True, "rows": []}
    with closed_gate(place) as open_gate:
        said = background([("a", "one"), ("b", waits(place))], workflow=WITH_A_MODEL)
        [refused] = answers(place, "limit", "worker.nobody=1", code=2)
        assert (refused["type"], refused["code"]) == ("Refused", "unknown_worker")
        name = refused["fix"].removeprefix("one of: ")
        answers(place, "pause")
        [on], [again] = answers(place, said["run"], "resume"), answers(place, "resume")
        assert [(each["type"], each["changed"]) for each in (on, again)] == [("Done", True), ("Done", False)]

        limits = answers(place, "limit", f"worker.{name}=1", "tool.python=2", "total_s=9000")
        words = [f"worker.{name} = 1", "tool.python = 2", "total_s = 9000"]
        assert limits == [{**done, "words": each} for each in words]
        [same] = answers(place, "limit", f"worker.{name}=1")
        assert same == {**done, "words": f"worker.{name} = 1", "changed": False}
        [back] = answers(place, "limit", f"worker.{name}=all")
        assert back["changed"]
        assert int(back["words"].removeprefix(f"worker.{name} = ")) > 1
        [many] = answers(place, "limit", f"worker.{name}=99999", code=2)
        assert (many["type"], many["code"]) == ("Refused", "out_of_range")

        killed = worker_in(place.folder)
        [restart] = answers(place, "restart-worker", name)
        assert restart == {**done, "words": f"{name} restarts"}
        wait_gone(killed)
        [nobody] = answers(place, "restart-worker", "nobody", code=2)
        assert (nobody["code"], nobody["fix"]) == ("unknown_worker", f"one of: {name}")
        assert worker_in(place.folder) != killed
        open_gate()
        wait_gone(said["pid"])
    assert [row["status"] for row in rows_of(place)] == ["ok", "ok"]


def test_failed_rows_run_again_while_the_run_goes_on(place, background):
    place.write("functions.py", MENDABLE)
    place.write("mended", "")
    (place.folder / "mended").unlink()
    with closed_gate(place) as open_gate:
        said = background([("a", "bad"), ("b", "fine"), ("c", waits(place))], "--order", "completion")
        while len(rows_of(place)) < 2:  # the bad row and the fine one are out
            pass
        assert {row["status"] for row in rows_of(place)} == {"ok", "failed"}
        place.write("mended", "")
        none = place.run("ctl", "requeue-failed", "b")
        assert none.returncode == 2
        assert "nothing_failed" in none.stderr
        taken = json.loads(place.run("ctl", "requeue-failed", "--json").stdout)
        assert taken["answers"][0]["rows"] == [0]
        open_gate()
        wait_gone(said["pid"])
    assert sorted((row["id"], row["status"]) for row in rows_of(place)) == [(i, "ok") for i in "abc"]
    shown = json.loads(place.run("show", said["run"], "--json").stdout)
    assert shown["report"]["status"] == "ok"
    assert shown["report"]["rows"] == {"ok": 3, "failed": 0, "quarantined": 0}


def test_a_detached_run_that_cannot_begin_says_why_and_leaves_nothing(place):
    done = place.run("batch", "ask.yaml", "-i", "nowhere.csv", "-o", "out.jsonl", "--detach")
    assert done.returncode == 65
    assert "there is no file" in done.stderr
    assert done.stdout == ""
    assert list((place.folder / "runs").iterdir()) == []
    done = place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "-", "--detach")
    assert done.returncode == 2
    assert "--detach" in done.stderr


def test_a_detached_run_reads_its_table_from_a_pipe(place):
    table = "question\none\ntwo\n"
    done = place.run(
        "batch",
        "tools_only.yaml",
        "-i",
        "-",
        "--input-format",
        "csv",
        "-o",
        "out.jsonl",
        "--detach",
        input=table,
    )
    assert done.returncode == 0, done.stderr
    assert "haloctl attach" in done.stderr
    place.run("attach", done.stdout.strip())
    while len(rows_of(place)) < 2:
        pass
    assert [row["outputs"]["checked"] for row in rows_of(place)] == ["ONE", "TWO"]


def test_sigterm_drains_a_detached_run_and_it_is_resumed_detached(place, background):
    with closed_gate(place) as open_gate:
        said = background([("a", "one"), ("b", waits(place))], HALOCTL_RUN__GRACE_S="0.5")
        follower = place.start("attach", "--progress", "plain")
        assert follower.stderr.readline()  # it is attached
        os.kill(said["pid"], signal.SIGTERM)
        _, err = follower.communicate(timeout=200)
        wait_gone(said["pid"])
        open_gate()
    assert follower.returncode == 143
    assert f"haloctl resume {said['run']}" in err
    resumed = place.run("resume", said["run"], "--detach", "--json")
    assert resumed.returncode == 0, resumed.stderr
    wait_gone(json.loads(resumed.stdout)["pid"])
    assert [row["status"] for row in rows_of(place)] == ["ok", "ok"]


def test_whoever_watches_a_run_that_is_killed_is_told_how_to_go_on(place, background):
    with closed_gate(place):
        said = background([("a", "one"), ("b", waits(place))])
        follower = place.start("attach", said["run"], "--progress", "plain")
        assert follower.stderr.readline()  # it is attached
        assert place.run("ctl", said["run"], "limit", "tool.python=1", "total_s=9999").returncode == 0
        os.kill(said["pid"], signal.SIGKILL)
        _, err = follower.communicate(timeout=200)
    assert follower.returncode == 75
    assert "killed" in err
    assert f"haloctl resume {said['run']}" in err
    late = place.run("attach", said["run"])
    assert late.returncode == 2
    assert "nobody is working on run" in late.stderr
    resumed = place.run("resume", said["run"])
    assert resumed.returncode == 0
    assert "limits ordered before hold: tool.python=1\n" in resumed.stderr
    assert [row["status"] for row in rows_of(place)] == ["ok", "ok"]


def test_leaving_a_run_does_not_stop_it(place, background):
    with closed_gate(place) as open_gate:
        said = background([("a", waits(place))])
        follower = place.start("attach", "--progress", "plain")
        assert follower.stderr.readline()
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate(timeout=200)
        assert follower.returncode == 130
        assert f"haloctl attach {said['run']}" in err
        assert psutil.pid_exists(said["pid"])
        locked = place.run("resume", said["run"], "--detach")
        assert locked.returncode == 73
        assert f"held by process {said['pid']}" in locked.stderr
        open_gate()
        wait_gone(said["pid"])
    assert [row["status"] for row in rows_of(place)] == ["ok"]


def test_a_run_is_cancelled_from_outside_and_a_stopped_one_takes_no_orders(place, background):
    with closed_gate(place) as open_gate:
        said = background([("a", waits(place))], HALOCTL_RUN__GRACE_S="30")
        follower = place.start("attach", "--json", "--progress", "plain")
        assert follower.stderr.readline()
        assert "may finish" in place.run("ctl", "cancel").stdout
        late = place.run("ctl", "pause")
        assert late.returncode == 2
        assert "stopping" in late.stderr
        assert place.run("ctl", "cancel", "--now").returncode == 0
        out, _ = follower.communicate(timeout=200)
        open_gate()
    assert follower.returncode == 75
    assert json.loads(out)["status"] == "stopped"
    wait_gone(said["pid"])


def test_orders_that_fit_no_run_are_refused_with_what_would(place):
    none = place.run("ctl", "pause")
    assert none.returncode == 2
    assert "is live" in none.stderr
    wrong = place.run("ctl", "puase")
    assert wrong.returncode == 2
    assert "pause" in wrong.stderr
    assert place.run("attach", "nothing").returncode == 2
