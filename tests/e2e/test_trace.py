"""`haloctl trace` of real runs, read back: the format's rules hold, and it agrees with the report."""

import fcntl
import gzip
import json

import pytest

pytestmark = pytest.mark.slow

PHASES = {
    "X": {"name", "cat", "pid", "tid", "ts", "dur"},
    "M": {"name", "pid", "tid", "args"},
    "C": {"name", "pid", "ts", "args"},
    "i": {"name", "pid", "ts", "s"},
    "b": {"name", "cat", "id", "pid", "ts"},
    "e": {"name", "cat", "id", "pid", "ts"},
    "s": {"name", "cat", "id", "pid", "tid", "ts"},
    "f": {"name", "cat", "id", "pid", "tid", "ts"},
}
WORKFLOW = """
workflow: looked
inputs:
  question: {type: string}
models: {m: toy}
operators:
  check:
    kind: python
    function: functions.py:check
    arguments: {question: "{{ question }}"}
  answer:
    kind: llm
    model: m
    prompt: "Answer {{ check }}"
    max_tokens: 24
outputs:
  answer: "{{ answer }}"
"""


@pytest.fixture
def ran(place):
    """A run of 30 rows over a tool and a model, and its report."""
    place.write("looked.yaml", WORKFLOW)
    rows = "".join(f"{i},question {i % 20}\n" for i in range(30))
    place.write("rows.csv", "id,question\n" + rows)
    done = place.run("batch", "looked.yaml", "-i", "rows.csv", "-o", "out.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)


def test_a_trace_keeps_the_rules_of_its_format_and_agrees_with_the_report(ran):
    place, report = ran
    done = place.run("trace", "last", "-o", "t.json")
    assert done.returncode == 0, done.stderr
    assert "trace events in t.json" in done.stderr
    document = json.loads(place.read("t.json"))
    assert document["otherData"]["run"] == report["run"]
    events = document["traceEvents"]
    for event in events:
        assert PHASES[event["ph"]] <= event.keys(), event
        assert all(isinstance(event[key], int) and event[key] >= 0 for key in ("ts", "dur") if key in event)
    pids = {e["args"]["name"]: e["pid"] for e in events if e["name"] == "process_name"}
    assert {"run", "python", *report["workers"]} == set(pids)
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in events if e["ph"] == "X"} <= named
    for worker, use in report["workers"].items():
        busy_us = sum(e["dur"] for e in events if e.get("cat") == "busy" and e["pid"] == pids[worker])
        assert busy_us / 1e6 == pytest.approx(use["busy_s"], abs=1e-4)
    assert sum(e.get("cat") in ("generation", "tool") for e in events) == report["nodes"]["executed"]
    decoded = sum(e["args"]["decoded"] for e in events if e["name"] == "tokens/s")
    assert decoded == report["tokens"]["decoded"]
    last_us = max(e["ts"] + e.get("dur", 0) for e in events if "ts" in e)
    assert last_us <= report["makespan_s"] * 1e6 + 2e6
    assert_nested(events)


def assert_nested(events):
    """On one thread, a slice lies within another or apart from it; a microsecond is lost to rounding."""
    threads = {}
    for event in events:
        if event["ph"] == "X":
            span = event["ts"], event["ts"] + event["dur"]
            threads.setdefault((event["pid"], event["tid"]), []).append(span)
    assert threads
    for spans in threads.values():
        spans.sort(key=lambda span: (span[0], -span[1]))
        open_until = []
        for start, end in spans:
            while open_until and open_until[-1] <= start + 1:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 1
            open_until.append(end)


def test_a_trace_goes_to_stdout_or_into_a_compressed_file(ran):
    place, _report = ran
    whole = json.loads(place.run("trace", "last").stdout)
    assert place.run("trace", "last", "-o", "t.json.gz").returncode == 0
    assert json.loads(gzip.decompress((place.folder / "t.json.gz").read_bytes())) == whole
    refused = place.run("trace", "last", "-o", "no/such/place.json")
    assert refused.returncode == 2
    assert "no/such/place.json" in refused.stderr


def test_a_run_that_was_killed_and_resumed_has_both_attempts_in_its_trace(place):
    gate = place.folder / "gate"
    gate.write_text("")
    rows = "id,question\n" + "".join(f"{i},question {i}\n" for i in range(6)) + f"w,wait:{gate}\n"
    place.write("rows.csv", rows)
    with gate.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        running = place.start("batch", "tools_only.yaml", "-i", "rows.csv", "-o", "out.jsonl")
        for _ in range(600):
            trace = place.run("trace", "last")
            if trace.returncode == 0 and trace.stdout.count('"cat":"tool"') == 6:
                break
        running.kill()
        running.communicate()
    cut = json.loads(place.run("trace", "last").stdout)["traceEvents"]
    assert [e["args"]["unfinished"] for e in cut if e.get("cat") == "unfinished"] == [True]
    assert place.run("resume", "last").returncode == 0
    events = json.loads(place.run("trace", "last").stdout)["traceEvents"]
    began = [e["ts"] for e in events if e["name"].startswith("attempt")]
    assert len(began) == 2
    assert sum(e.get("cat") == "tool" and e["ts"] >= began[1] for e in events) == 1
    assert_nested(events)
