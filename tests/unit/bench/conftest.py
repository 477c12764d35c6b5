"""Lines of the yardstick as a run leaves them."""

from __future__ import annotations

import pytest

from bench.workloads.limit import Peak, Work
from bench.workloads.matrix import Cell, Fleet
from bench.workloads.results import CellLine, FleetLine
from bench.workloads.run_cell import Measured


@pytest.fixture
def fleet_line():
    """A function: workload, workers, … → the line of a measurement of its peaks."""

    def make(workload, workers=1, prefill=100.0, date="2026-11-21", commit="0"):
        peaks = {model: Peak(prefill=prefill, decode=10.0) for model in ("S", "M", "L")}
        provenance = {
            "date": date,
            "commit": commit,
            "processor": "a processor",
            "cores": 2,
            "load_average": 0.1,
        }
        return FleetLine(fleet=Fleet(workload=workload, workers=workers), peaks=peaks, provenance=provenance)

    return make


@pytest.fixture
def cell_line():
    """A function: workload, system, makespan, … → the line of that run."""

    def make(workload, system, makespan_s, queries=64, workers=1, **more):
        cell = Cell(workload=workload, queries=queries, workers=workers, memory="all", system=system)
        measured = Measured(
            cell=cell, makespan_s=makespan_s, starting_s=0.3, planning_s=0.1, estimate_s=2.0, load_s=0.2,
            model_loads=3, logical_calls=100, executed_calls=40, prompt_tokens=1000, computed_tokens=120,
            reused_tokens=80, decoded_tokens=50, logical_decoded_tokens=1250, busy_s={"w0": 3.0},
            prefill_s=1.0, decode_s=1.0, tools_s=1.0, planner="epoch_dp", load_average=0.2,
        )  # fmt: skip
        work = {"S": Work(calls=5, prefill_tokens=100, decode_tokens=10)}
        return CellLine(measured=measured, work=work, **{"date": "2026-11-21", "commit": "0", **more})

    return make
