"""Peak memory of a coordinator over long batches: it should follow the window, not the batch.

Runs the same workflow on `echo` with 20,000 and with 100,000 rows in windows of 4,096, each in a process of
its own, and prints the peak resident size of the coordinator. Goal: at most 200 MB at 100,000 rows.

    python -m bench.memory [--rows 20000 100000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import trio

from engine.ir.batch import Batch
from engine.ir.ids import ModelName
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.runs import Setup, run_windows

WINDOW = RunOptions().window_queries


def windows(rows: int) -> Iterator[Batch]:
    for first in range(0, rows, WINDOW):
        count = min(WINDOW, rows - first)
        yield batch("w", [{"q": f"question {first + i}"} for i in range(count)], first=first)


async def run(rows: int, directory: Path) -> int:
    """Nodes executed."""
    name = ModelName("m")
    plan = workflow(
        "w",
        [llm("w", "key", inputs=["q"]), llm("w", "answer", reads=["key"])],
        inputs=["q"],
        outputs={"a": "answer"},
    )
    setup = Setup(
        profiles=flat_profiles(["w0"], [name], slots=32),
        models={name: ModelFile(name=name, backend="echo", path="echo", options=ModelOptions(slots=32))},
    )
    report = await run_windows(directory, (plan,), windows(rows), setup, RunOptions(), lambda _event: None)
    return report.nodes.executed


def measure(rows: int) -> dict[str, float]:
    """Peak megabytes of a fresh process that runs `rows` rows."""
    command = [sys.executable, "-m", "bench.memory", "--child", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def child(rows: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as directory:
        nodes = trio.run(run, rows, Path(directory))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rows": rows, "nodes": nodes, "peak_mb": peak / 1024, "idle_mb": before / 1024}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    found = [measure(rows) for rows in options.rows]
    for one in found:
        print(f"{one['rows']:>9,.0f} rows  {one['peak_mb']:8.1f} MB peak  ({one['idle_mb']:.1f} MB before)")
    ratio = found[-1]["peak_mb"] / found[0]["peak_mb"]
    print(f"ratio {ratio:.2f} for {found[-1]['rows'] / found[0]['rows']:.1f} × the rows")
    if options.json:
        options.json.write_text(json.dumps({"runs": found, "ratio": ratio}, indent=2))


if __name__ == "__main__":
    main()
