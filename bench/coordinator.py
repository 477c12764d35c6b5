"""What the coordinator costs a node: CPU of its process over nodes executed, workers on `echo`.

The echo worker computes next to nothing, so what remains is rendering, state, journal, output and wire.
CPU time is that of the coordinator's process alone, all threads; planning is reported apart.

    python -m bench.coordinator [--queries 2000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import trio

from engine.ir.batch import Batch
from engine.ir.ids import ModelName
from engine.ir.logical import LogicalPlan
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.runs import Setup, run_batches


def chain() -> LogicalPlan:
    """Five LLM operators, two of them side by side."""
    return workflow(
        "w",
        [
            llm("w", "key", inputs=["q"]),
            llm("w", "left", reads=["key"]),
            llm("w", "right", reads=["key"]),
            llm("w", "merge", reads=["left", "right"]),
            llm("w", "final", reads=["merge"]),
        ],
        inputs=["q"],
        outputs={"answer": "final"},
    )


def measure(queries: int) -> dict[str, float]:
    """Microseconds of coordinator CPU per executed node, with and without planning."""
    name = ModelName("m")
    profiles = flat_profiles(["w0"], [name], slots=32)
    setup = Setup(
        profiles=profiles,
        models={name: ModelFile(name=name, backend="echo", path="echo", options=ModelOptions(slots=32))},
    )
    window: Batch = batch("w", [{"q": f"question {i}"} for i in range(queries)])
    since = time.process_time()
    make_plan(consolidate((chain(),), window), profiles, RunOptions().mechanisms)
    planning_s = time.process_time() - since
    with tempfile.TemporaryDirectory() as directory:
        since, since_main, wall = time.process_time(), time.thread_time(), time.perf_counter()
        ran = trio.run(run_batches, Path(directory), (chain(),), [window], setup, RunOptions())
        cpu_s, wall_s = time.process_time() - since, time.perf_counter() - wall
        main_s = time.thread_time() - since_main
    nodes = ran.report.nodes.executed
    return {
        "nodes": nodes,
        "cpu_us_per_node": (cpu_s - planning_s) / nodes * 1e6,
        "main_thread_us_per_node": main_s / nodes * 1e6,
        "planning_us_per_node": planning_s / nodes * 1e6,
        "wall_us_per_node": wall_s / nodes * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.queries)
    for name, value in found.items():
        print(f"{name:24} {value:12.1f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
