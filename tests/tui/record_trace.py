"""Records the run that the screens' goldens show: `python tests/tui/record_trace.py`.

Two echo workers, a Python tool that takes its time and fails for some rows, repeated rows, a condition, and
one row with hostile text. The journal is kept compressed, without the pages SQLite has free.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

import zstandard

import haloctl

HERE = Path(__file__).parent / "trace"
SETTINGS = """
[models.small]
backend = "echo"

[models.large]
backend = "echo"

[workers.left]
backend = "echo"
slots = 4

[workers.right]
backend = "echo"
slots = 4

[paths]
runs = "runs"
cache = "cache"
"""
WORKFLOW = """
workflow: notes
inputs:
  question: {type: string}
models: {s: small, l: large}
operators:
  topic:
    kind: llm
    model: s
    system: You name the topic of a question in one word.
    prompt: "{{ question }}"
    max_tokens: 8
  look_up:
    kind: python
    function: functions.py:look_up
    arguments: {question: "{{ question }}"}
    retries: 1
  remark:
    kind: llm
    model: s
    when: look_up.words > 6
    prompt: "Remark on {{ topic }}: {{ look_up }}"
    max_tokens: 12
  answer:
    kind: llm
    model: l
    system: You answer from what you are given, and from nothing else.
    prompt: "Question: {{ question }} Known: {{ look_up }} {{ topic }}"
    max_tokens: 24
outputs:
  answer: "{{ answer }}"
  remark: "{{ remark }}"
"""
FUNCTIONS = """
import time


def look_up(question):
    time.sleep(0.06 + len(question) % 7 / 16)
    if "nowhere" in question:
        raise ValueError(f"nothing is known of {question}")
    return {"words": len(question.split()), "first": question.split()[0]}
"""
PLACES = ("Oslo", "Lima", "Accra", "Hanoi", "Quito", "nowhere", "Perth", "Turin")
ASKED = ("Who lives in {}?", "What grows near {} when it rains for a long time?", "Is {} far away?")
HOSTILE = "\x1b]52;c;aGFjaw==\x07[bold red]\u202eevil\x1b[2J\u200b[/] \x1b]8;;http://x\x07link"


def record(folder: Path) -> Path:
    """Run the batch in `folder`; its run's folder."""
    (folder / "haloctl.toml").write_text(SETTINGS)
    (folder / "notes.yaml").write_text(WORKFLOW)
    (folder / "functions.py").write_text(FUNCTIONS)
    rows = [
        {"id": f"q{at:02}", "question": ASKED[at % 3].format(PLACES[at // 2 % len(PLACES)])}
        for at in range(40)
    ]
    rows[7] = {"id": "q07\x1b[31m", "question": HOSTILE}
    haloctl.run(folder / "notes.yaml", rows, config=folder / "haloctl.toml")
    return next(path for path in (folder / "runs").iterdir() if (path / "journal.sqlite").exists())


def keep(run: Path, name: str) -> None:
    """The run's journal, as a file of this name."""
    small = run / "small.sqlite"
    with sqlite3.connect(run / "journal.sqlite") as journal:
        journal.execute("VACUUM INTO ?", (str(small),))
    packed = zstandard.ZstdCompressor(level=19).compress(small.read_bytes())
    HERE.mkdir(exist_ok=True)
    (HERE / name).write_bytes(packed)
    sys.stdout.write(f"{run.name}: {len(packed):,} bytes\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="trace-") as place:
        keep(record(Path(place)), "journal.sqlite.zst")
