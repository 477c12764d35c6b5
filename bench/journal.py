"""What durability costs: committing, resuming, emitting, memory. Run: python bench/journal.py [--quick]

Every figure is measured through the same classes a run uses, on the disk that holds the temporary
directory (TMPDIR). Each part runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from engine.ir.event import NodeCompleted, NodeDispatched
from engine.ir.ids import NodeId, OperatorId, QueryIndex
from engine.ir.keys import content_key
from engine.ir.result import Completed, NodeRecord, QueryResult, Usage
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.store import RunStore
from engine.testing.journal_runs import example_meta

TEXT = "The revenue of the region in the last quarter was above that of the year before. "


def node(index: int, words: int = 2) -> NodeRecord:
    return NodeRecord(
        node=NodeId(index),
        operator=OperatorId("demo/answer"),
        key=content_key("bench", index),
        outcome=Completed(
            value=f"{index} " + TEXT * words, usage=Usage(prompt_tokens=400, decoded_tokens=40)
        ),
    )


def row(index: int) -> QueryResult:
    outputs = {"answer": f"{index} {TEXT}", "score": index / 7}
    return QueryResult(index=QueryIndex(index), id=f"q{index}", workflow="demo", status="ok", outputs=outputs)


def fsync_cost(place: Path) -> str:
    fd = os.open(place / "probe", os.O_RDWR | os.O_CREAT)
    started = time.perf_counter()
    for _ in range(200):
        os.write(fd, bytes(4096))
        os.fdatasync(fd)
    took_s = time.perf_counter() - started
    os.close(fd)
    return f"SQLite {sqlite3.sqlite_version}; 4 KiB write + fdatasync here: {took_s / 200 * 1e6:.0f} µs"


def committed(place: Path, count: int, events: bool) -> str:
    """Time a coordinator spends, and time until all is on disk; the records are made beforehand."""
    nodes = [node(index) for index in range(count)]
    with RunStore.create(place / "run", example_meta()) as store:
        started, cpu = time.perf_counter(), time.process_time()
        for at, record in enumerate(nodes):
            store.append(record)
            if events and at % 32 == 31:
                store.append_events(tuple(trace(record, at, k) for k in range(64)))
        store.flush()
        took_s, used_s = time.perf_counter() - started, time.process_time() - cpu
    size = (place / "run" / "journal.sqlite").stat().st_size
    name = "committed operator, 2 events each" if events else "committed operator"
    return (
        f"{name}: {took_s / count * 1e6:.1f} µs to disk, {used_s / count * 1e6:.1f} µs of CPU, "
        f"{size / count:.0f} bytes (goal ≤ 50 µs; {count} operators)"
    )


def trace(record: NodeRecord, at: int, k: int) -> NodeDispatched | NodeCompleted:
    if k % 2:
        return NodeDispatched(at=float(at), node=record.node, operator=record.operator, lane="w0", attempt=1)
    return NodeCompleted(
        at=float(at), node=record.node, operator=record.operator, lane="w0", members=1, started_s=0.0
    )


def resumed(place: Path, count: int) -> str:
    with RunStore.create(place / "run", example_meta()) as store:
        for index in range(count):
            store.append(node(index, words=1))
    keys = [content_key("bench", index) for index in range(count)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    store = RunStore.open(place / "run")
    opened_s = time.perf_counter() - started
    started = time.perf_counter()
    recovered = store.recovered()
    scan_s = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    started = time.perf_counter()
    assert all(recovered.kind(key) == "completed" for key in keys[:20_000])
    kind_s = time.perf_counter() - started
    started = time.perf_counter()
    assert all(recovered.outcome(key) is not None for key in keys[:20_000])
    read_s = time.perf_counter() - started
    recovered.close()
    store.close()
    return (
        f"resume of {count} results: open and check {opened_s:.2f} s, scan {scan_s:.2f} s (goal ≤ 0.5 s), "
        f"{grown:.0f} MB more; then {kind_s / 2e4 * 1e6:.1f} µs to look one up, "
        f"{read_s / 2e4 * 1e6:.1f} µs to read it"
    )


def emitted(place: Path, count: int, order: Literal["input", "completion"], backwards: bool) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with RunStore.create(place / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(place / "o.jsonl")), order=order)
        for index in reversed(range(count)) if backwards else range(count):
            writer.submit(row(index))
        writer.finish()
    took_s = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    how = "first row last" if backwards else "as they come"
    return (
        f"output, {order} order, {how}: {count / took_s:,.0f} rows/s, "
        f"{grown:.0f} MB more, {total:.0f} MB in all ({count} rows)"
    )


def in_a_process(function: Callable[..., str], *arguments: object) -> None:
    place = Path(tempfile.mkdtemp(prefix="haloctl-bench-"))
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(function(place, *arguments)))
    child.start()
    child.join()
    shutil.rmtree(place)
    if child.exitcode != 0:
        sys.exit(f"{function.__name__} failed")
    print(queue.get(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    scale = 10 if parser.parse_args().quick else 1
    in_a_process(fsync_cost)
    in_a_process(committed, 100_000 // scale, False)
    in_a_process(committed, 100_000 // scale, True)
    in_a_process(resumed, 500_000 // scale)
    in_a_process(emitted, 100_000 // scale, "input", False)
    in_a_process(emitted, 100_000 // scale, "completion", False)
    in_a_process(emitted, 100_000 // scale, "input", True)


if __name__ == "__main__":
    main()
