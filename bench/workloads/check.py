"""Whether the bench models are what the yardstick asks for: 2 : 3 : 5 in cost, and loading a real share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.fleet import measure_fleet
from bench.workloads.limit import Peak
from bench.workloads.matrix import Cell, Fleet
from bench.workloads.run_cell import run_cell
from bench.workloads.summary import load_share

CHECKED = ("W1", "W6")
PROMPT_TOKENS, DECODED_TOKENS = 100, 25
"""About what a call computes of its prompt and decodes: what the two rates weigh in a call's cost."""

WANTED = {"S": 2.0, "M": 3.0, "L": 5.0}
LEAST_LOADING = 0.05


def check(folder: BenchFolder) -> None:
    """Measure the models and two workloads whose models take turns; print both. Results are left alone."""
    apart = replace(folder, folder=folder.folder / "check")
    apart.folder.mkdir(parents=True, exist_ok=True)
    fleets = [Fleet(workload=workload, workers=1) for workload in CHECKED]
    peaks = measure_fleet(apart, fleets[0])
    for text in cost_texts(peaks):
        print(text, flush=True)
    for fleet in fleets[1:]:  # the same models on the same worker
        apart.fleet_folder(fleet).mkdir(exist_ok=True)
        shutil.copyfile(apart.profiles(fleets[0]), apart.profiles(fleet))
    for fleet in fleets:
        for system in ("opwise", "haloctl"):
            cell = Cell(workload=fleet.workload, queries=16, workers=1, memory="one", system=system)
            print(_loading_text(apart, cell), flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


def call_cost_s(peak: Peak) -> float:
    """Seconds of a usual call at the peak rates."""
    return PROMPT_TOKENS / peak.prefill + DECODED_TOKENS / peak.decode


def cost_texts(peaks: Mapping[str, Peak]) -> Iterator[str]:
    """A line for each model: its rates and its cost beside the others', which sum to what is wanted."""
    scales = {
        "prefill": {name: 1 / peaks[name].prefill for name in WANTED},
        "decode": {name: 1 / peaks[name].decode for name in WANTED},
        "call": {name: call_cost_s(peaks[name]) for name in WANTED},
    }
    for name, wanted in WANTED.items():
        shares = "  ".join(
            f"{what} {sum(WANTED.values()) * costs[name] / sum(costs.values()):.1f}"
            for what, costs in scales.items()
        )
        peak = peaks[name]
        yield (
            f"{name}: {peak.prefill:,.0f} prompt tokens/s, {peak.decode:,.0f} decoded tokens/s;  "
            f"cost {shares}  (wanted {wanted:g})"
        )


def _loading_text(folder: BenchFolder, cell: Cell) -> str:
    measured = run_cell(folder, cell)
    share = load_share(measured)
    verdict = "enough" if share >= LEAST_LOADING else f"less than {LEAST_LOADING:.0%}"
    loads = f"{measured.model_loads} loads take {measured.load_s:.1f} s"
    return f"{cell.name}: {measured.makespan_s:.1f} s, {loads}, {share:.0%}: {verdict}"
