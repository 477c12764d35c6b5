"""Kill -9 of the coordinator and of workers at random points: one right row a query, nothing redone.

An outside observer (a log the Python tool appends to) says what was executed and when; the journal says
what was committed at each kill. HALOCTL_KILLS sets the number of kills (50 by default).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from engine.ir.result import Completed
from engine.journal.store import RunStore

KILLS = int(os.environ.get("HALOCTL_KILLS", "50"))
ROWS = 400

SETTINGS = """
[models.m]
backend = "echo"
[workers.w0]
backend = "echo"
slots = 4
[workers.w1]
backend = "echo"
slots = 4
[paths]
runs = "runs"
cache = "cache"
"""

WORKFLOW = """
workflow: crash
inputs:
  q: {type: string}
models: {m: m}
operators:
  key: {kind: llm, model: m, prompt: "Key of {{ q }}", max_tokens: 8}
  score:
    kind: python
    function: "score.py:score"
    arguments: {text: "{{ key }}", q: "{{ q }}"}
    deterministic: true
  merge: {kind: llm, model: m, prompt: "Merge {{ score.size }} of {{ q }}", max_tokens: 8}
outputs:
  q: "{{ q }}"
  size: "{{ score.size }}"
  answer: "{{ merge }}"
"""

SCORE = """
import os
LOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "observer.log")

def score(text, q):
    fd = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (q + "\\n").encode())
    os.close(fd)
    sum(i * i for i in range(100_000))  # some milliseconds, so that kills strike in the middle
    return {"size": len(text)}
"""


@dataclass
class Scene:
    """One batch being killed and resumed until it is whole."""

    folder: Path
    rng: random.Random
    run: str = ""
    kills: int = 0
    committed_at: list[tuple[int, set[str]]] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "out.jsonl"

    def observed(self) -> list[str]:
        log = self.folder / "observer.log"
        return log.read_text().splitlines() if log.exists() else []

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "haloctl"]
        if self.run:
            command += ["resume", self.run]
        else:
            command += ["batch", "wf.yaml", "-i", "in.csv", "-o", "out.jsonl"]
        with (self.folder / "stderr.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--progress", "none"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=log
            )

    def note_commits(self) -> None:
        """What the journal holds now must never be executed again."""
        runs = sorted(path.name for path in (self.folder / "runs").glob("*")) if not self.run else [self.run]
        if not runs:
            return
        directory = self.folder / "runs" / runs[-1]
        if not (directory / "journal.sqlite").exists():
            return
        self.run = runs[-1]
        questions: set[str] = set()
        with RunStore.read(directory) as view:
            keys = {
                node.key: plan.plan.consolidated.queries[node.members[0][0]].bindings["q"]
                for plan in view.plans()
                for node in plan.plan.consolidated.nodes
                if plan.plan.consolidated.operators[node.operator].id == "crash/score"
            }
            for record in view.nodes():
                if record.key in keys and isinstance(record.outcome, Completed):
                    questions.add(keys[record.key])
        self.committed_at.append((len(self.observed()), questions))


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_worker(coordinator: subprocess.Popen[bytes], rng: random.Random) -> bool:
    workers = [p for p in descendants(coordinator.pid) if "engine.worker" in " ".join(_cmdline(p))]
    if not workers:
        return False
    victim = rng.choice(workers)
    try:
        victim.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    return True


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def kill_coordinator(scene: Scene, process: subprocess.Popen[bytes]) -> None:
    children = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 2.0
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, children)), f"orphans 2 s after the coordinator's death: {children}"
    if scene.output.exists() and scene.rng.random() < 0.4:
        damage_tail(scene.output, scene.rng)


def alive(process: psutil.Process) -> bool:
    """Running; a zombie that a lazy init has not reaped is dead."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def damage_tail(path: Path, rng: random.Random) -> None:
    """A torn last line, or garbage after it, as a crash of the machine leaves them."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        if rng.random() < 0.5 and size:
            file.truncate(max(0, size - rng.randrange(1, 200)))
        else:
            file.seek(0, os.SEEK_END)
            file.write(rng.randbytes(rng.randrange(1, 200)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_9_anywhere_leaves_one_right_row_per_query_and_repeats_nothing_committed(tmp_path: Path):
    rng = random.Random(20261121)
    kills = rounds = executions = 0
    while kills < KILLS:
        scene = Scene(tmp_path / f"round{rounds}", rng)
        rounds += 1
        prepare(scene.folder)
        run_to_the_end(scene, KILLS - kills)
        kills += scene.kills
        check_rows(scene)
        executions += check_executions(scene)
    print(f"{kills} kills in {rounds} batches: {rounds * ROWS} rows right, {executions} executions repeated")


def prepare(folder: Path) -> None:
    folder.mkdir()
    (folder / "haloctl.toml").write_text(SETTINGS)
    (folder / "wf.yaml").write_text(WORKFLOW)
    (folder / "score.py").write_text(SCORE)
    lines = "\n".join(f"r{i},question {i}" for i in range(ROWS))
    (folder / "in.csv").write_text(f"id,q\n{lines}\n")


def run_to_the_end(scene: Scene, kills: int) -> None:
    """Kill at random until `kills` are spent or the batch is done; then let it finish."""
    while True:
        process = scene.start()
        before = len(scene.observed())
        while process.poll() is None and scene.kills < kills:
            wait_for_the_moment(scene, process, before)
            if process.poll() is not None:
                break
            if scene.rng.random() < 0.4:
                scene.kills += kill_worker(process, scene.rng)
                continue
            scene.kills += 1
            kill_coordinator(scene, process)
            scene.note_commits()
        code = process.wait(timeout=120)
        if code == 0:
            break
        assert code == -signal.SIGKILL, (scene.folder / "stderr.log").read_text()[-3000:]


def wait_for_the_moment(scene: Scene, process: subprocess.Popen[bytes], before: int) -> None:
    """Mostly in the middle of work, sometimes while the run starts."""
    if scene.rng.random() < 0.15:
        time.sleep(scene.rng.uniform(0.0, 1.0))
        return
    deadline = time.monotonic() + 30.0
    while process.poll() is None and len(scene.observed()) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(scene.rng.uniform(0.0, 0.4))


def check_rows(scene: Scene) -> None:
    rows = [json.loads(line) for line in scene.output.read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"r{i}" for i in range(ROWS)]
    for i, row in enumerate(rows):
        assert row["status"] == "ok", row
        assert row["outputs"]["q"] == f"question {i}"
        assert row["outputs"]["size"] > 0


def check_executions(scene: Scene) -> int:
    """Nothing committed at a kill is executed after it; returns how many were executed more than once."""
    observed = scene.observed()
    for position, committed in scene.committed_at:
        again = committed.intersection(observed[position:])
        assert not again, f"committed, then executed again: {sorted(again)[:5]}"
    return len(observed) - len(set(observed))
