"""What the yardstick's models are beside what was asked: costs of 2 : 3 : 5, and a real share of loading."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.cost import COSTS, WANTED, relative_costs
from bench.workloads.fleet import measure_fleet
from bench.workloads.limit import Peak
from bench.workloads.matrix import FEW, Cell, Fleet
from bench.workloads.run_cell import run_cell
from bench.workloads.tables import load_share

CHECKED = ("W1", "W6")
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
            cell = Cell(workload=fleet.workload, queries=FEW, workers=1, memory="one", system=system)
            print(_loading_text(apart, cell), flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


def cost_texts(peaks: Mapping[str, Peak]) -> Iterator[str]:
    """A line for each model: its rates, and its costs beside the largest one's, which are 5."""
    relative = {what: relative_costs([peaks], cost) for what, cost in COSTS.items()}
    for name, wanted in WANTED.items():
        shares = "  ".join(f"{what} {costs[name]:.1f}" for what, costs in relative.items())
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
