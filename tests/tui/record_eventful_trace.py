"""Records a run in which much happens: `python tests/tui/record_eventful_trace.py`.

Three steps of two models with Python between them, so that there are several epochs; some rows were asked
before, so that their calls come from the cache; answers repeat, so that calls coalesce; some rows fail; and a
worker is killed in the midst of its calls, and started anew. The embedded model computes, under two names.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

from record_trace import keep

import haloctl
from engine.ir import event as ev
from engine.journal.folder import FILE_NAME
from engine.journal.view import RunView
from workflows.mini import __file__ as mini

NAME = "eventful.sqlite.zst"
ASKED_BEFORE = 8
LOST = "right"
"""The worker that is killed, while it has this many calls in hand."""
IN_HAND = 3
LOOK_EVERY_S = 0.02
SETTINGS = """
[models.scout]
gguf = "mini.gguf"

[models.writer]
gguf = "mini.gguf"

[workers.left]
threads = 1
slots = 4

[workers.right]
threads = 1
slots = 4

[python]
processes = 2

[paths]
runs = "runs"
cache = "cache"
"""
WORKFLOW = """
workflow: letters
inputs:
  letter: {type: string}
models: {s: scout, w: writer}
operators:
  region:
    kind: llm
    model: s
    system: Name the region.
    prompt: "{{ letter }}"
    schema:
      type: object
      additionalProperties: false
      required: [region]
      properties:
        region: {enum: [AFRICA, AMERICA, ASIA, EUROPE]}
    max_tokens: 16
  office:
    kind: python
    function: functions.py:office
    arguments: {letter: "{{ letter }}", region: "{{ region.region }}"}
  tone:
    kind: llm
    model: w
    prompt: "What tone does a letter to {{ region.region }} need?"
    max_tokens: 40
  reply:
    kind: llm
    model: w
    system: Answer the letter in two sentences.
    prompt: "{{ letter }} From: {{ office }}. Tone: {{ tone }}"
    max_tokens: 60
  filed:
    kind: python
    function: functions.py:filed
    arguments: {reply: "{{ reply }}"}
  urgent:
    kind: llm
    model: s
    when: filed.words > 12
    prompt: "Is this urgent? {{ reply }}"
    max_tokens: 12
outputs:
  reply: "{{ reply }}"
  urgent: "{{ urgent }}"
"""
FUNCTIONS = """
import time


def office(letter, region):
    time.sleep(0.05)
    if "Atlantis" in letter:
        raise ValueError("there is no office in Atlantis")
    return f"the office of {region.title()}"


def filed(reply):
    time.sleep(0.03)
    return {"words": len(reply.split())}
"""
PLACES = ("Kenya", "Peru", "Japan", "Norway", "Chile", "Atlantis", "India", "Spain", "Ghana", "Canada")
LETTERS = ("The parcel for {} is late.", "How many orders came from {} in 1995?", "Thank you from {}!")


def rows() -> list[dict[str, str]]:
    """Thirty letters, no two alike."""
    return [
        {"id": f"r{at:02}", "letter": LETTERS[at % 3].format(PLACES[at % len(PLACES)])} for at in range(30)
    ]


def record(folder: Path) -> Path:
    """Run both batches in `folder`; the run's folder of the second."""
    shutil.copy(Path(mini).with_name("haloctl-mini.gguf"), folder / "mini.gguf")  # no path of this machine
    (folder / "haloctl.toml").write_text(SETTINGS)
    (folder / "letters.yaml").write_text(WORKFLOW)
    (folder / "functions.py").write_text(FUNCTIONS)
    runs = folder / "runs"
    run(folder, rows()[:ASKED_BEFORE])
    before = set(runs.iterdir())
    killer = threading.Thread(target=lose_a_worker, args=(runs, before), daemon=True)
    killer.start()
    run(folder, rows())
    killer.join()
    [found] = [path for path in runs.iterdir() if path not in before and (path / FILE_NAME).exists()]
    return found


def run(folder: Path, table: list[dict[str, str]]) -> None:
    haloctl.run(folder / "letters.yaml", table, config=folder / "haloctl.toml", cache=True)


def lose_a_worker(runs: Path, before: set[Path]) -> None:
    """Kill the worker once, as soon as it has some calls in hand."""
    waiting = threading.Event()
    while not waiting.wait(LOOK_EVERY_S):
        for path in set(runs.iterdir()) - before:
            if (path / FILE_NAME).exists() and (pid := busy_worker(path)) is not None:
                os.kill(pid, signal.SIGKILL)
                return


def busy_worker(path: Path) -> int | None:
    """The worker's process, if it has enough in hand by what the journal says."""
    pid, done, in_hand = None, 0, set[int]()
    with RunView(path) as view:
        for event in view.events():
            match event:
                case ev.WorkerReady(worker=worker) if worker == LOST:
                    pid = event.pid
                case ev.NodeDispatched(lane=lane) if lane == LOST:
                    in_hand.add(event.node)
                case ev.NodeCompleted():
                    done += event.node in in_hand
                    in_hand.discard(event.node)
                case _:
                    pass
    return pid if done and len(in_hand) >= IN_HAND else None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="trace-") as place:
        keep(record(Path(place)), NAME)
