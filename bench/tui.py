"""What the terminal interface costs: until its first picture, under a run that tells a lot, from a key on.

first_paint_s: `haloctl replay` in a pseudo-terminal, from the start of the process to a frame with the page
bar and "connecting"; first_page_s: to the panels of the first page. choice_paint_s: `haloctl run`, to the
line of its steps; choice_page_s: to its list of workflows. …_cpu_s: processor time until the first picture.
The rest: a screen of 160×46 cells over a synthetic run that tells `--rate` events a second in 20 batches a
second, decoded as they come. `frames_per_s` counts states of the run that were drawn, `cpu_ms_per_step` is
processor time a batch, which says on a busy machine too what a quiet one could do; key_ms is from a key's
arrival until the screen was drawn with the cursor moved.

    python -m bench.tui [--rate 20000] [--queries 10000] [--seconds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import msgspec
from textual import events as keys

import haloctl
from bench.live import WORKERS, events_of, plans
from engine.ir import event as ev
from engine.ir.ids import RunId, WorkerId
from engine.live.coalesce import LiveBatch, difference
from engine.live.fold import LiveState
from engine.live.membership import KnownPlans
from engine.live.state import LiveSnapshot
from engine.wire.orders import Answer, Order
from haloctl.tui.app import RunApp
from haloctl.tui.model import Joined, Told, Update
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.source import NOT_HEARD
from haloctl.tui.widgets.table import VTable

PICTURES = (
    (("replay", "last"), {"first_paint_s": b"connecting", "first_page_s": b"Workers and tools"}),
    (("run",), {"choice_paint_s": b"workflow", "choice_page_s": b"Workflows"}),
)
"""Commands, and what is looked for on the terminal, the first picture first."""
LEAVING_S = 20.0
"""How long a command may take to leave."""
BATCHES_PER_S = 20
LEAST_KEYS = 20
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


def batches(queries: int, rate: float) -> Iterator[bytes]:
    """What a viewer is sent of the synthetic run, 20 times in each of its seconds, encoded."""
    known = KnownPlans()
    state = LiveState(known)
    state.absorb(ev.RunStarted(at=0.0, run=RunId("bench")))
    for worker in WORKERS:
        state.absorb(ev.WorkerReady(at=0.0, worker=WorkerId(worker), pid=1, backend="echo"))
    told, at, size = state.snapshot(), 0.0, int(rate / BATCHES_PER_S)
    yield msgspec.msgpack.encode(told)
    for plan in plans(queries):
        known.add(plan)
        events = list(events_of(plan, rate, at))
        at = events[-1].at
        for start in range(0, len(events), size):
            for event in events[start : start + size]:
                state.absorb(event)
            now = state.snapshot()
            changes = difference(told, now)
            told = now
            yield msgspec.msgpack.encode(changes)


class Loud:
    """A source that tells encoded batches, 20 a second."""

    takes_orders = False

    def __init__(self, told: list[bytes], directory: Path) -> None:
        self._first, *self._rest = told
        self._directory = directory
        self.told = 0

    async def follow(self, tell: Callable[[Update], None]) -> None:
        state = msgspec.msgpack.decode(self._first, type=LiveSnapshot)
        tell(Joined(run="bench", directory=str(self._directory), state=state))
        due = time.perf_counter()
        for data in self._rest:
            tell(Told(batch=msgspec.msgpack.decode(data, type=LiveBatch)))
            self.told += 1
            due += 1 / BATCHES_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await asyncio.Event().wait()

    async def ask(self, order: Order) -> Answer:
        return NOT_HEARD


async def under_load(told: list[bytes], seconds: float, page: str) -> dict[str, float]:
    """Frames a second, share of a core, and milliseconds from a key to the screen, on one page."""
    with tempfile.TemporaryDirectory() as place:
        source = Loud(told, Path(place))
        app = RunApp(source)
        async with app.run_test(size=(160, 46)) as pilot:
            while not any(worker.group == "source" for worker in app.workers):
                await pilot.pause(0.01)  # the first page stands then
            await pilot.pause(0.5)
            await pilot.press(page)
            await pilot.pause(0.5)
            screen = app.screen
            assert isinstance(screen, RunScreen)
            assert screen.page is not None
            table = max(screen.page.query(VTable), key=lambda each: each.count)
            table.focus()
            seen: set[int] = set()
            sampler = asyncio.ensure_future(_sample(screen, seen))
            before, cpu, since, waits = source.told, time.process_time(), time.perf_counter(), []
            while len(waits) < LEAST_KEYS or time.perf_counter() - since < seconds:
                waits.append(await _key(app, table, "j" if len(waits) % 20 < 10 else "k"))
                await asyncio.sleep(0.1)
            took, cpu = time.perf_counter() - since, time.process_time() - cpu
            sampler.cancel()
            return {
                "frames_per_s": len(seen) / took,
                "cpu_ms_per_step": cpu / max(1, source.told - before) * 1000,
                "key_ms_median": median(waits) * 1000,
                "key_ms_p95": quantiles(waits, n=20)[-1] * 1000,
            }


async def _sample(screen: RunScreen, seen: set[int]) -> None:
    """Note every state that the page has drawn."""
    while True:
        if screen.page is not None:
            seen.add(hash(screen.page.seen.live.at))
        await asyncio.sleep(0.01)


async def _key(app: RunApp, table: VTable, key: str) -> float:
    """Seconds from a key's arrival until the screen was drawn after the cursor had moved."""
    done = asyncio.Event()
    before, since = table.cursor, time.perf_counter()
    app.post_message(keys.Key(key, key))
    while table.cursor == before and time.perf_counter() - since < 5:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    table.call_after_refresh(done.set)
    await done.wait()
    return time.perf_counter() - since


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
        measured[f"page_{page}"] = asyncio.run(under_load(told, arguments.seconds, page))
    text = json.dumps(measured, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
