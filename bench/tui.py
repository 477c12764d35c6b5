"""What the terminal interface costs: until its first picture, under a run that tells a lot, from a key on.

first_paint_s: `haloctl replay` in a pseudo-terminal, from the start of the process to a frame with the page
bar and "connecting"; first_page_s: to the panels of the first page. begin_paint_s: `haloctl run
WORKFLOW -i ROWS`, to the same frame; begin_page_s: until its only row is done. choice_paint_s: `haloctl run`,
to the line of its steps; choice_page_s: to its list of workflows. …_cpu_s: processor time until the first
picture.
The rest: a screen of 160×46 cells on a pseudo-terminal over a synthetic run that tells `--rate` events a
second in 20 batches a second; see `bench.painted` for what its figures are.

    python -m bench.tui [--rate 20000] [--queries 10000] [--seconds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import haloctl
from bench.painted import batches, under_load

PICTURES = (
    (("replay", "last"), {"first_paint_s": b"connecting", "first_page_s": b"Workers and tools"}),
    (("run", "w.yaml", "-i", "rows.jsonl"), {"begin_paint_s": b"connecting", "begin_page_s": b"finished"}),
    (("run",), {"choice_paint_s": b"workflow", "choice_page_s": b"Workflows"}),
)
"""Commands, and what is looked for on the terminal, the first picture first."""
LEAVING_S = 20.0
"""How long a command may take to leave."""
SETTINGS = """
[models.m]
backend = "echo"
[paths]
runs = "runs"
cache = "cache"
[run]
session_idle_s = 5.0
"""
WORKFLOW = """
workflow: w
inputs: {question: {type: string}}
models: {m: m}
operators:
  answer: {kind: llm, model: m, prompt: "{{ question }}", max_tokens: 8}
outputs: {answer: "{{ answer }}"}
"""


def first_paint(rounds: int) -> dict[str, float]:
    """Seconds from the start of a process to its first picture and page, each the best of some rounds."""
    with tempfile.TemporaryDirectory(prefix="haloctl-bench-") as place:
        folder = Path(place)
        (folder / "haloctl.toml").write_text(SETTINGS)
        (folder / "w.yaml").write_text(WORKFLOW)
        (folder / "rows.jsonl").write_text('{"question": "Why?"}\n')
        haloctl.run(folder / "w.yaml", [{"question": "Why?"}], config=folder / "haloctl.toml")
        found: dict[str, float] = {}
        for words, marks in PICTURES:
            rows = [_paint_once(folder, words, marks) for _ in range(rounds)]
            found |= {key: min(row[key] for row in rows) for key in rows[0]}
        return found


def _paint_once(folder: Path, words: tuple[str, ...], marks: dict[str, bytes]) -> dict[str, float]:
    parent, child = pty.openpty()
    since = time.perf_counter()
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "haloctl"), *words],
        cwd=folder,
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    found: dict[str, float] = {}
    seen = b""
    while len(found) < len(marks) + 1 and process.poll() is None:
        if select.select([parent], [], [], 1.0)[0]:
            seen += os.read(parent, 1 << 16)
        for name, mark in marks.items():
            if mark in seen and name not in found:
                found[name] = time.perf_counter() - since
                if len(found) == 1:
                    found[f"{name[:-2]}_cpu_s"] = _processor_s(process.pid)
    _leave(process, parent)
    os.close(parent)
    os.close(child)
    return found


def _leave(process: subprocess.Popen[bytes], terminal: int) -> None:
    """As a person does, so that its session ends too; by force where that takes long."""
    os.write(terminal, b"q")
    until = time.perf_counter() + LEAVING_S
    while process.poll() is None and time.perf_counter() < until:
        if select.select([terminal], [], [], 0.1)[0]:
            os.read(terminal, 1 << 16)
    process.kill()
    process.wait()


def _processor_s(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured: dict[str, object] = {**first_paint(3)}
    told = list(batches(arguments.queries, arguments.rate))
    for page in ("1", "2", "3"):
        measured[f"page_{page}"] = under_load(told, arguments.seconds, page)
    text = json.dumps(measured, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
