"""What viewers cost a run: makespan and coordinator CPU with none, one, four, a deaf one, one of noise, all.

The echo worker computes next to nothing, so that the run makes as many events a second as ever. Viewers are
processes of their own, which take their share of the cores: makespans tell of them too. `channel` is the CPU
the coordinator spent on folding events, on steps and on their encoding, as a share of the makespan. The deaf
one asks to watch and never reads; the noisy one connects a hundred times a second to send what is no message.
Each round measures every crowd once, and figures are medians over rounds, within one run of this script;
ratios are to the same round's run without a channel, least and greatest in brackets. A second such run ends
each round: what its ratios differ from 1 by is the machine's doing, not the viewers'.

    python -m bench.control [--queries 1500] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import trio

from bench.coordinator import chain
from engine.ir.event import Event
from engine.ir.ids import ModelName
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.ir.result import RunReport
from engine.live.state import LiveSnapshot
from engine.processor import control
from engine.processor.live_feed import LiveFeed
from engine.processor.run import Job, process
from engine.testing.plans import batch, flat_profiles
from engine.testing.runs import Setup, run_windows
from engine.wire.control import Hello, encode_control
from engine.wire.control_place import NOTE_NAME, noted_path
from engine.wire.framing import encode_frames
from haloctl.client import Attached
from haloctl.controlled import process_controlled
from haloctl.following import states


class Crowd(NamedTuple):
    """Who looks on at a run, while it has a channel to look through."""

    viewers: int = 0
    deaf: bool = False
    noisy: bool = False
    channel: bool = True


BASE = "no channel"
CROWDS = {
    BASE: Crowd(channel=False),
    "0 viewers": Crowd(),
    "1 viewer": Crowd(viewers=1),
    "4 viewers": Crowd(viewers=4),
    "4 and a deaf one": Crowd(viewers=4, deaf=True),
    "4 and a noisy one": Crowd(viewers=4, noisy=True),
    "4, deaf and noisy": Crowd(viewers=4, deaf=True, noisy=True),
    "no channel again": Crowd(channel=False),
}
NOISE = bytes(range(256)) * 40
NOISE_EVERY_S = 0.01


def view(directory: Path) -> None:
    """One viewer: waits for the run, keeps its live state, and says how many steps it was told."""
    print("ready", flush=True)
    while not (directory / NOTE_NAME).exists():
        time.sleep(0.002)
    with Attached(directory, watch=True) as run:
        print(sum(1 for _ in states(run)))


def noise(directory: Path) -> None:
    """A client that sends garbage, again and again, as long as the run listens."""
    print("ready", flush=True)
    while not (directory / NOTE_NAME).exists():
        time.sleep(0.002)
    sent = 0
    while (path := noted_path(directory)) is not None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as endpoint:
            endpoint.connect(os.fsencode(path))
            endpoint.sendall(NOISE)
            sent += 1
        time.sleep(NOISE_EVERY_S)
    print(sent)


def deaf(directory: Path) -> socket.socket:
    """A client that asks to watch and never reads."""
    path = noted_path(directory)
    assert path is not None
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    endpoint.connect(os.fsencode(path))
    endpoint.sendall(encode_frames((encode_control(Hello()),)))
    return endpoint


class TimedFeed(LiveFeed):
    """The live feed with a stopwatch."""

    spent_s = 0.0

    def absorb(self, event: Event) -> None:
        with self._timed():
            super().absorb(event)

    def advance(self) -> bool:
        with self._timed():
            return super().advance()

    def since(self, number: int, told: LiveSnapshot) -> bytes | None:
        with self._timed():
            return super().since(number, told)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        since = time.thread_time()
        yield
        TimedFeed.spent_s += time.thread_time() - since


async def carry_out(job: Job, crowd: Crowd, directory: Path, stack: ExitStack) -> RunReport:
    """The job, with its channel where the crowd needs one."""
    if not crowd.channel:
        return await process(job)
    told = job.on_event

    def on_event(event: object) -> None:
        if crowd.deaf and type(event).__name__ == "WindowPlanned":
            stack.enter_context(deaf(directory))
        told(event)  # type: ignore[arg-type]

    object.__setattr__(job, "on_event", on_event)
    return await process_controlled(job, directory, print)


def measure(crowd: Crowd, queries: int) -> dict[str, float]:
    """One run: makespan, and CPU seconds of this process while it lasted, planning included."""
    name = ModelName("m")
    setup = Setup(
        profiles=flat_profiles(["w0"], [name], slots=32),
        models={name: ModelFile(name=name, backend="echo", path="echo", options=ModelOptions(slots=32))},
    )
    window = batch("w", [{"q": f"question {i}"} for i in range(queries)])
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directory = Path(folder) / "run"
        viewers = [_client("--view", directory) for _ in range(crowd.viewers)]
        noisy = [_client("--noise", directory)] if crowd.noisy else []
        for viewer in (*viewers, *noisy):
            stack.callback(viewer.kill)
            assert viewer.stdout is not None
            viewer.stdout.readline()  # it waits for the run
        control.LiveFeed, TimedFeed.spent_s = TimedFeed, 0.0  # type: ignore[attr-defined]
        since = time.process_time()
        run = partial(carry_out, crowd=crowd, directory=directory, stack=stack)
        report = trio.run(
            partial(run_windows, carry_out=run),
            Path(folder),
            (chain(),),
            [window],
            setup,
            RunOptions(),
            lambda _event: None,
        )
        cpu_s = time.process_time() - since
        steps = [int(viewer.communicate(timeout=60)[0]) for viewer in viewers]
        for each in noisy:
            each.communicate(timeout=60)
    return {
        "makespan_s": report.makespan_s,
        "cpu_us_per_node": cpu_s / report.nodes.executed * 1e6,
        "executed": report.nodes.executed,
        "channel_share": TimedFeed.spent_s / report.makespan_s,
        "steps_told": median(steps) if steps else 0,
    }


def _client(flag: str, directory: Path) -> subprocess.Popen[bytes]:
    """A client in a process of its own; it says when it waits for the run."""
    command = [sys.executable, "-m", "bench.control", flag, str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


RATIOS = {"makespan_ratio": "makespan_s", "cpu_ratio": "cpu_us_per_node"}
"""Name of a ratio → the figure that is compared with that of the run without a channel."""
WIDTHS = (12, 7, 13, 13, 7, 13, 9, 12)
"""Cells of the columns that are printed."""


def over_rounds(rounds: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> dict[str, float]:
    """Medians of one crowd's figures; of its ratios to the same round's base the least and greatest too."""
    found = {key: median(each[name][key] for each in rounds) for key in rounds[0][name]}
    for ratio, figure in RATIOS.items():
        all_of_them = [each[name][figure] / each[BASE][figure] for each in rounds]
        found |= {
            ratio: median(all_of_them),
            f"{ratio}_min": min(all_of_them),
            f"{ratio}_max": max(all_of_them),
        }
    return found


def line(row: Mapping[str, float]) -> str:
    """A crowd's figures as they are printed."""
    makespan, cpu = (f"[{row[f'{ratio}_min']:.2f}–{row[f'{ratio}_max']:.2f}]" for ratio in RATIOS)
    cells = (
        f"{row['makespan_s']:.2f}",
        f"{row['makespan_ratio']:.2f}",
        makespan,
        f"{row['cpu_us_per_node']:.0f}",
        f"{row['cpu_ratio']:.2f}",
        cpu,
        f"{row['channel_share']:.1%}",
        f"{row['steps_told']:.0f}",
    )
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queries", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--view", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--noise", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.view or options.noise:
        view(options.view) if options.view else noise(options.noise)
        return
    rounds = [
        {name: measure(crowd, options.queries) for name, crowd in CROWDS.items()}
        for _ in range(options.rounds)
    ]
    found = {name: over_rounds(rounds, name) for name in CROWDS}
    columns = ("makespan s", "ratio", "", "CPU us/node", "ratio", "", "channel", "steps told")
    print(f"{'':18}" + "".join(f"{column:>{width}}" for column, width in zip(columns, WIDTHS, strict=True)))
    for name, row in found.items():
        print(f"{name:18}" + line(row))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
