"""Where rows come from and go to: pipes and SELECTs, files that change, outputs that are inputs."""

import fcntl
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SHIFTING = """
[databases.notes]
url = "sqlite:notes.db"
"""


def rows_of(place, name):
    return [json.loads(line) for line in place.read(name).splitlines()]


@contextmanager
def held_up(place, *arguments):
    """A run whose rows `wait:gate` wait until the block ends."""
    place.write("gate", "")
    with open(place.folder / "gate") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        process = place.start(*arguments, "-o", "out.jsonl")
        wait_for(lambda: (place.folder / "out.jsonl").exists() or process.poll() is not None)
        assert process.poll() is None, process.stderr.read()
        yield process


def kill_early(place, *arguments):
    """A run that is killed before its first row."""
    with held_up(place, *arguments) as process:
        process.kill()
        process.wait()


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come to pass")


COMMAND = Path(sys.executable).parent / "haloctl"
WAITING = "id,question\na,wait:gate\nb,what\n"


@pytest.mark.parametrize("name", ["questions.csv", "tools_only.yaml", "link.csv"])
def test_an_output_that_is_an_input_is_refused_also_with_overwrite(place, name):
    os.symlink(place.folder / "questions.csv", place.folder / "link.csv")
    before = place.read(name)
    done = place.run(
        "batch",
        "tools_only.yaml",
        "-i",
        "questions.csv",
        "-o",
        name,
        "--output-format",
        "jsonl",
        "--overwrite",
    )
    assert done.returncode == 2
    assert "also an input" in done.stderr
    assert place.read(name) == before


def test_a_pipe_is_read_once_and_whole(place):
    os.mkfifo(place.folder / "pipe")
    text = "question\n" + "".join(f"q{n}\n" for n in range(20_000))

    def feed():
        with open(place.folder / "pipe", "w") as pipe:
            pipe.write(text)

    threading.Thread(target=feed, daemon=True).start()
    done = place.run(
        "batch", "ask.yaml", "-i", "pipe", "--input-format", "csv", "-o", "out.jsonl", "--limit", "9000"
    )
    assert done.returncode == 0, done.stderr
    assert [row["row"] for row in rows_of(place, "out.jsonl")] == list(range(9000))


def feeder(pipe, data):
    """Writes into a named pipe to the first who opens it; who opens it again waits for ever."""

    def feed():
        with open(pipe, "wb") as out:
            out.write(data)

    return threading.Thread(target=feed, daemon=True)


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.csv.gz"])
def test_the_name_of_a_pipe_tells_its_format(place, name):
    os.mkfifo(place.folder / name)
    data = b"question\nwhy\nhow\n"
    feeder(place.folder / name, gzip.compress(data) if name.endswith(".gz") else data).start()
    done = place.run("batch", "ask.yaml", "-i", name, "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert len(rows_of(place, "out.jsonl")) == 2


@pytest.mark.parametrize("flags", [(), ("--detach",)])
def test_a_pipe_that_a_shell_opened_reaches_the_process_of_the_run(place, flags):
    """As `-i <(command)` has it: a number among the descriptors of the command alone."""
    out, into = os.pipe()
    os.write(into, b"question\nwhy\nhow\n")
    os.close(into)
    done = batch_with(place, "ask.yaml", "-i", f"/dev/fd/{out}", *flags, pass_fds=(out,))
    os.close(out)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: (place.folder / "out.jsonl").exists() and len(rows_of(place, "out.jsonl")) == 2)
    again = place.run(
        "batch", "ask.yaml", "-i", "/dev/fd/99", "--input-format", "csv", "-o", "o.jsonl", *flags
    )
    assert again.returncode == 65
    assert "no file /dev/fd/99" in again.stderr


def batch_with(place, *arguments, **opened):
    """A batch in a process that has something open beside its standard streams, or another stdin."""
    return subprocess.run(
        [str(COMMAND), "batch", *arguments, "--input-format", "csv", "-o", "out.jsonl"],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        **opened,
    )


def test_a_file_that_is_stdin_is_kept_for_who_resumes_the_run(place):
    """`-i /dev/stdin < FILE` is a file, to this process only."""
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    place.write("gate", "")
    with open(place.folder / "gate") as gate, open(place.folder / "questions.csv") as table:
        fcntl.flock(gate, fcntl.LOCK_EX)
        begun = batch_with(place, "tools_only.yaml", "-i", "/dev/stdin", "--detach", "--json", stdin=table)
        assert begun.returncode == 0, begun.stderr
        os.kill(json.loads(begun.stdout)["pid"], signal.SIGKILL)
    resumed = place.run("resume", "last")
    assert resumed.returncode == 0, resumed.stderr
    assert [row["id"] for row in rows_of(place, "out.jsonl")] == ["a", "b"]


def test_rows_of_a_select_are_those_the_run_began_with(place):
    place.write("haloctl.toml", place.read("haloctl.toml") + SHIFTING)
    with sqlite3.connect(place.folder / "notes.db") as notes:
        notes.execute("CREATE TABLE note (question TEXT)")
        notes.executemany("INSERT INTO note VALUES (?)", [("last",), (f"wait:{place.folder / 'gate'}",)])
    select = ["-i", "SELECT question FROM note ORDER BY question", "--input-database", "notes"]
    kill_early(place, "batch", "tools_only.yaml", *select)
    with sqlite3.connect(place.folder / "notes.db") as notes:
        notes.execute("INSERT INTO note VALUES ('a new one, that sorts first')")
    assert place.run("resume", "last").returncode == 0
    assert [row["outputs"]["checked"] for row in rows_of(place, "out.jsonl")] == [
        "LAST",
        f"WAIT:{place.folder / 'gate'}".upper(),
    ]
    (run,) = json.loads(place.run("runs", "--json").stdout)
    assert "SELECT question" in run["input"]


@pytest.mark.parametrize(
    ("select", "message"),
    [("SELECT 1 AS question WHERE 1 = 2", "no rows"), ("SELECT 1 AS question, 2 AS question", "two columns")],
)
def test_a_select_that_is_no_table_of_queries_leaves_nothing_behind(place, select, message):
    done = place.run("batch", "tools_only.yaml", "-i", select, "--input-database", "tpch", "-o", "out.jsonl")
    assert done.returncode == 65
    assert message in done.stderr
    assert not [path for path in (place.folder / "runs").rglob("*") if path.is_file()]


def test_a_changed_table_is_refused_on_resume(place):
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    kill_early(place, "batch", "tools_only.yaml", "-i", "questions.csv")
    place.write("questions.csv", "id,question\nz,new\n" + place.read("questions.csv").partition("\n")[2])
    done = place.run("resume", "last")
    assert done.returncode == 65
    assert "has changed since the run began" in done.stderr
    (place.folder / "questions.csv").unlink()
    done = place.run("resume", "last")
    assert done.returncode == 65
    assert "Traceback" not in done.stderr


def test_another_model_file_is_refused_on_resume(place):
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    kill_early(place, "batch", "shaky.yaml", "-i", "questions.csv")
    place.write("a.gguf", "another model, or at least a file")
    settings = place.read("haloctl.toml")
    place.write(
        "haloctl.toml", settings.replace('[models.toy]\nbackend = "echo"', '[models.toy]\ngguf = "a.gguf"')
    )
    done = place.run("resume", "last")
    assert done.returncode == 2
    assert "model toy is another file than the run began with" in done.stderr
    place.write("haloctl.toml", settings)
    assert place.run("resume", "last").returncode == 0


def test_changed_workflows_and_functions_are_pointed_out_on_resume(place):
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    kill_early(place, "batch", "tools_only.yaml", "-i", "questions.csv")
    place.write("tools_only.yaml", place.read("tools_only.yaml").replace("check", "chekc"))
    place.write("functions.py", place.read("functions.py").replace("upper", "title"))
    done = place.run("resume", "last")
    assert done.returncode == 0, done.stderr
    assert "tools_only.yaml has changed: the run goes on with the workflow it began with" in done.stderr
    assert "functions.py has changed" in done.stderr
    assert rows_of(place, "out.jsonl")[1]["outputs"]["checked"] == "What"


def test_another_database_url_is_pointed_out_on_resume(place):
    settings = place.read("haloctl.toml")
    place.write("haloctl.toml", settings + SHIFTING)
    for name in ("notes.db", "other.db"):
        with closing(sqlite3.connect(place.folder / name)) as notes:
            notes.execute("CREATE TABLE note (text)")
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    counted = 'operators:\n  n: {kind: sql, database: notes, query: "SELECT count(*) AS n FROM note"}'
    flow = (
        place.read("tools_only.yaml")
        .replace("operators:", counted)
        .replace("outputs:", 'outputs:\n  n: "{{ n }}"')
    )
    place.write("tools_only.yaml", flow)
    kill_early(place, "batch", "tools_only.yaml", "-i", "questions.csv")
    place.write("haloctl.toml", settings + SHIFTING.replace("notes.db", "other.db"))
    done = place.run("resume", "last")
    assert done.returncode == 0, done.stderr
    assert "database notes has another URL" in done.stderr


def test_a_finished_run_resumes_to_the_same_rows_even_when_they_were_deleted(place):
    assert place.run("batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl").returncode == 0
    before = place.read("out.jsonl")
    for _ in range(2):
        assert place.run("resume", "last").returncode == 0
        assert place.read("out.jsonl") == before
        (place.folder / "out.jsonl").unlink()


def test_two_coordinators_never_share_a_run(place):
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    with held_up(place, "batch", "tools_only.yaml", "-i", "questions.csv") as first:
        second = place.run("resume", "last")
        assert second.returncode == 73
        assert f"is held by process {first.pid}" in second.stderr
    assert first.wait(60) == 0
    assert len(rows_of(place, "out.jsonl")) == 2


def test_two_runs_never_share_an_output(place):
    place.write("questions.csv", WAITING.replace("gate", str(place.folder / "gate")))
    with held_up(place, "batch", "tools_only.yaml", "-i", "questions.csv") as first:
        for extra in ((), ("--overwrite",)):
            done = place.run("batch", "tools_only.yaml", "-i", "questions.csv", "-o", "out.jsonl", *extra)
            assert done.returncode == 73, done.stderr
            assert "another run is writing" in done.stderr
    assert first.wait(60) == 0
    assert len(rows_of(place, "out.jsonl")) == 2


@pytest.mark.parametrize(
    "flags", [("-i", "x" * 300 + ".csv"), ("-i", "questions.csv", "-o", "x" * 300 + ".csv")]
)
def test_a_name_that_no_file_can_have_is_a_fault_of_the_command_line(place, flags):
    output = () if "-o" in flags else ("-o", "out.jsonl")
    done = place.run("batch", "tools_only.yaml", *flags, *output)
    assert done.returncode == 2
    assert "File name too long" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize("command", [["validate", "tools_only.yaml"], ["models"]])
def test_a_full_stdout_is_no_bug(place, command):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [COMMAND, *command],
            cwd=place.folder,
            env=place.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 74
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
