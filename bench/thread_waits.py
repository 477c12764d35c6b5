"""How long a worker's threads should look before they sleep: the demo alone, and two on the same cores.

libgomp's GOMP_SPINCOUNT says how often a thread looks for the others before it sleeps. Alone, looking saves a
wake-up at every operation; beside another worker, who looks keeps the core from who computes.

    python -m bench.thread_waits [--spins 0 300 4000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main() -> None:
    """A line for each number of looks."""
    parser = argparse.ArgumentParser(prog="python -m bench.thread_waits", description=__doc__)
    parser.add_argument("--spins", type=int, nargs="+", default=(0, 300, 4000))
    options = parser.parse_args()
    for spins in options.spins:
        [alone], both = makespans(spins, 1), makespans(spins, 2)
        beside = " and ".join(f"{seconds:.1f}" for seconds in both)
        sys.stdout.write(f"{spins:6} looks: alone {alone:.1f} s; two at once {beside} s\n")
        sys.stdout.flush()


def makespans(spins: int, count: int) -> Sequence[float]:
    """Seconds of so many demos that run at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(_demo, [spins] * count))


def _demo(spins: int) -> float:
    with tempfile.TemporaryDirectory(prefix="haloctl-bench-") as place:
        environment = {
            **os.environ,
            "GOMP_SPINCOUNT": str(spins),
            "HALOCTL_PATHS__RUNS": f"{place}/runs",
            "HALOCTL_PATHS__CACHE": f"{place}/cache",
        }
        command = [str(Path(sys.executable).parent / "haloctl"), "demo", "--json", "--progress", "none"]
        done = subprocess.run(
            command, cwd=place, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return float(json.loads(done.stdout)["makespan_s"])


if __name__ == "__main__":
    main()
