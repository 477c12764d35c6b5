"""What the view model costs a viewer of a long run: processor time for each batch and event, and memory.

A synthetic run of one call a row tells `--rate` events a second in 20 batches a second, as a viewer receives
them. decode, reduce and feeds are microseconds of processor time a batch: reading it, the step from view to
view, and the rows and lanes that pages show brought up to date. Each is the median; `us_per_event` is the
mean of all three for each event behind the batches. view_bytes and feeds_bytes are what is held at the end,
by Python's own count, with the view standing still half way (so that two states are held).

    python -m bench.view [--rows 10000 100000] [--rate 20000] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from bench.live import WORKERS, Telling
from engine.ir import event as ev
from engine.ir.ids import NodeId, OperatorId, QueryIndex
from engine.ir.options import RunOptions
from engine.ir.result import RowStatus, Usage
from engine.live.coalesce import LiveBatch
from engine.live.state import LiveSnapshot
from haloctl.tui.feeds import Feeds
from haloctl.tui.model import Froze, Joined, Told, ViewState, reduce

EVENTS_A_ROW = 3
WINDOW = RunOptions().window_queries
OPERATORS = tuple(OperatorId(f"w/operator-{at}") for at in range(22))
USAGE = Usage(prompt_tokens=300, computed_tokens=60, reused_tokens=240, decoded_tokens=24)


def events(rows: int, rate: float) -> Iterator[ev.Event]:
    """One call a row, on two workers, over 22 operators; a row in a thousand fails."""
    for row in range(rows):
        at = row * EVENTS_A_ROW / rate
        if row % WINDOW == 0:
            size = min(WINDOW, rows - row)
            yield ev.WindowPlanned(
                at=at, queries=size, nodes=size, logical_nodes=size, estimate_s=1.0, planner="greedy"
            )
        node, operator, lane = NodeId(row), OPERATORS[row % len(OPERATORS)], WORKERS[row % 2]
        yield ev.NodeDispatched(at=at, node=node, operator=operator, lane=lane, attempt=1)
        yield ev.NodeCompleted(
            at=at + 1 / rate,
            node=node,
            operator=operator,
            lane=lane,
            members=1,
            started_s=at,
            usage=USAGE,
            prefill_s=0.2 / rate,
        )
        status: RowStatus = "failed" if row % 1000 == 999 else "ok"
        yield ev.QueryFinished(at=at + 2 / rate, query=QueryIndex(row), id=str(row), status=status)


def told(rows: int, rate: float) -> list[bytes]:
    """What a viewer is sent of it: the first state, then batches."""
    telling = Telling()
    return [telling.first, *telling.batches(events(rows, rate), rate)]


class Watched:
    """A view that takes what was sent, and what pages keep beside it."""

    def __init__(self, first: bytes) -> None:
        state = msgspec.msgpack.decode(first, type=LiveSnapshot)
        self.view = reduce(ViewState(), Joined(run="bench", directory="/bench", state=state))
        self.feeds = Feeds()

    def take(self, data: bytes) -> tuple[float, float, float]:
        """One batch; seconds of processor time to read it, to step, and to bring the feeds up to date."""
        times = [time.thread_time()]
        batch = msgspec.msgpack.decode(data, type=LiveBatch)
        times.append(time.thread_time())
        self.view = reduce(self.view, Told(batch=batch))
        times.append(time.thread_time())
        self.feeds.update(self.view)
        self.feeds.changed.clear()  # as a page does that has drawn them
        times.append(time.thread_time())
        return times[1] - times[0], times[2] - times[1], times[3] - times[2]


def held(sent: list[bytes]) -> tuple[int, int]:
    """Bytes of the view, standing still half way, and of what pages keep beside it."""
    tracemalloc.start()
    try:
        watched = Watched(sent[0])
        for at, data in enumerate(sent[1:]):
            if at == len(sent) // 2:
                watched.feeds.update(watched.view)
                watched.view = reduce(watched.view, Froze())
            watched.take(data)
        gc.collect()
        both = tracemalloc.get_traced_memory()[0]
        del watched.feeds
        gc.collect()
        view = tracemalloc.get_traced_memory()[0]
        return view, both - view
    finally:
        tracemalloc.stop()


def measure(rows: int, rate: float) -> dict[str, float]:
    """What one run of so many rows costs its viewer."""
    sent = told(rows, rate)
    watched = Watched(sent[0])
    gc.collect()
    took = [watched.take(data) for data in sent[1:]]
    view, feeds = held(sent)
    return {
        "rows": rows,
        "batches": len(took),
        "batch_bytes": median(map(len, sent[1:])),
        **{f"{name}_us": median(row[at] for row in took) * 1e6 for at, name in enumerate(STEPS)},
        "us_per_event": sum(map(sum, took)) * 1e6 / (rows * EVENTS_A_ROW),
        "view_bytes": view,
        "feeds_bytes": feeds,
    }


STEPS = ("decode", "reduce", "feeds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rate", type=float, default=20_000.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = [measure(rows, options.rate) for rows in options.rows]
    for one in found:
        print("  ".join(f"{name} {value:,.1f}" for name, value in one.items()))
    if options.json:
        options.json.write_text(json.dumps({"runs": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
