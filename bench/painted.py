"""The terminal interface under a run that tells a lot, on a terminal: frames it paints, keys it answers.

A process of its own shows a screen of 160×46 cells over batches of changes made before, told 20 times a
second and decoded as they come; this process is the pseudo-terminal, and reads all that is drawn. Figures of
one page:

    frames_per_s     pictures written to the terminal, each only what changed
    states_per_s     states of the run that the page was given, of which several may be one frame
    kilobytes_per_s  what the terminal had to read
    cpu_ms_per_step  processor time a batch told: on a busy machine too it says what a quiet one could do
    key_ms_…         from a key's arrival until the screen was drawn with the cursor moved
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import msgspec
from textual import events as keys
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.pilot import Pilot

from bench.live import BATCHES_PER_S, Telling, windows
from engine.live.coalesce import LiveBatch
from engine.live.membership import KnownPlans
from engine.live.state import LiveSnapshot
from engine.wire.orders import Answer, Order
from haloctl import garbage
from haloctl.tui.app import RunApp
from haloctl.tui.model import Joined, Told, Update
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.source import NOT_HEARD
from haloctl.tui.widgets.table import VTable

COLUMNS, LINES = 160, 46
LEAST_KEYS = 20
TOLD_NAME, FOUND_NAME = "told", "found"
SAMPLE_S = 0.01
PATIENCE_S = 120.0
"""How much longer than it looks a screen may take to begin and to leave."""


def batches(queries: int, rate: float) -> Iterator[bytes]:
    """What a viewer is sent of the synthetic run, 20 times in each of its seconds, encoded."""
    known = KnownPlans()
    telling = Telling(known)
    yield telling.first
    for events in windows(queries, rate, known):
        yield from telling.batches(events, rate)


def under_load(told: list[bytes], seconds: float, page: str) -> dict[str, float]:
    """The figures of one page, looked at for some seconds on a terminal of its own. Raises if none came."""
    with tempfile.TemporaryDirectory(prefix="haloctl-bench-") as place:
        folder = Path(place)
        (folder / TOLD_NAME).write_bytes(msgspec.msgpack.encode(told))
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.painted", place, page, str(seconds)],
            stdin=child,
            stdout=child,
            stderr=child,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(child)
        try:
            drawn = _drained(process, parent, seconds + PATIENCE_S)
        finally:
            process.kill()
            process.wait()
            os.close(parent)
        found = folder / FOUND_NAME
        if not found.exists():
            raise RuntimeError(f"the screen told no figures: {drawn[-2000:].decode(errors='replace')}")
        return msgspec.json.decode(found.read_bytes(), type=dict[str, float])


def _drained(process: subprocess.Popen[bytes], terminal: int, wait_s: float) -> bytes:
    """The end of what a process drew, read as a terminal does until it has ended, or took too long."""
    drawn, until = b"", time.perf_counter() + wait_s
    while time.perf_counter() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                drawn = (drawn + os.read(terminal, 1 << 16))[-(1 << 16) :]
            except OSError:  # nobody is at the other end any more
                return drawn
        elif process.poll() is not None:
            break
    return drawn


# --- the process on the terminal --------------------------------------------------------------------


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


class Counting(LinuxDriver):
    """Writes to the terminal, and counts."""

    frames = 0
    written = 0

    def write(self, data: str) -> None:
        super().write(data)
        Counting.written += len(data)

    def flush(self) -> None:
        """Textual flushes once behind each picture."""
        super().flush()
        Counting.frames += 1


async def look(
    pilot: Pilot[object], source: Loud, page: str, seconds: float, figures: dict[str, float]
) -> None:
    """Turn to a page, move up and down in its longest table, put down the figures, and leave."""
    app = pilot.app
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
    states: set[float] = set()
    sampler = asyncio.ensure_future(_sample(screen, states))
    told, frames, written = source.told, Counting.frames, Counting.written
    cpu, since, waits = time.process_time(), time.perf_counter(), list[float]()
    while len(waits) < LEAST_KEYS or time.perf_counter() - since < seconds:
        waits.append(await _key(app, table, "j" if len(waits) % 20 < 10 else "k"))
        await asyncio.sleep(0.1)
    took, cpu = time.perf_counter() - since, time.process_time() - cpu
    sampler.cancel()
    figures |= {
        "frames_per_s": (Counting.frames - frames) / took,
        "states_per_s": len(states) / took,
        "kilobytes_per_s": (Counting.written - written) / took / 1000,
        "cpu_ms_per_step": cpu / max(1, source.told - told) * 1000,
        "key_ms_median": median(waits) * 1000,
        "key_ms_p95": quantiles(waits, n=20)[-1] * 1000,
    }
    app.exit()


async def _sample(screen: RunScreen, states: set[float]) -> None:
    """Note every state that the page was given."""
    while True:
        if screen.page is not None:
            states.add(screen.page.seen.live.at)
        await asyncio.sleep(SAMPLE_S)


async def _key(app: App[object], table: VTable, key: str) -> float:
    """Seconds from a key's arrival until the screen was drawn after the cursor had moved."""
    done = asyncio.Event()
    before, since = table.cursor, time.perf_counter()
    app.post_message(keys.Key(key, key))
    while table.cursor == before and time.perf_counter() - since < 5:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    table.call_after_refresh(done.set)
    await done.wait()
    return time.perf_counter() - since


def show(folder: Path, page: str, seconds: float) -> None:
    """The interface over the batches in `folder`, on this process's terminal; leaves its figures there."""
    source = Loud(msgspec.msgpack.decode((folder / TOLD_NAME).read_bytes(), type=list[bytes]), folder)
    figures: dict[str, float] = {}
    with garbage.on_a_screen() as begun:
        app = RunApp(source, begun=begun)
        app.driver_class = Counting
        app.run(auto_pilot=lambda pilot: look(pilot, source, page, seconds, figures))
    if figures:
        (folder / FOUND_NAME).write_bytes(msgspec.json.encode(figures))


if __name__ == "__main__":
    show(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
