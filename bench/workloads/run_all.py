"""The matrix carried out: peaks before every stretch of it, then its cells, each kept once it is done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from bench.provenance import provenance
from bench.workloads.bench_folder import BenchFolder
from bench.workloads.fleet import measure_fleet
from bench.workloads.limit import distinct_work
from bench.workloads.matrix import FEW, Cell, Fleet
from bench.workloads.results import CellLine, FleetLine, append_line, read_lines
from bench.workloads.run_cell import learn, run_cell
from bench.workloads.summary import cell_text, fleet_text
from engine.testing.fixed_answers_calls import read_calls

Facts: TypeAlias = dict[str, str | int | float]
"""When and on what a measurement was made."""


def run_all(folder: BenchFolder, lines: Path, stretches: Iterable[Sequence[Cell]], minutes: float) -> None:
    """Run the cells not yet done, until `minutes` are over or SIGINT comes: both leave what is done.

    Peaks are measured at the first cell of each stretch that is left, so also where a run goes on. Raises
    HaloError when a cell fails, OtherVersion when what is kept cannot be read.
    """
    done = {line.measured.cell for line in read_lines(lines).cells}
    undone = [[cell for cell in stretch if cell not in done] for stretch in stretches]
    left = sum(map(len, undone))
    print(f"{left} runs to make in {lines.parent}", flush=True)
    began = time.monotonic()
    try:
        for stretch in undone:
            for place, cell in enumerate(stretch):
                if time.monotonic() - began > minutes * 60:
                    print(f"{minutes:g} minutes are over, {left} runs are left")
                    return
                _run(folder, lines, cell, measure=place == 0)
                left -= 1
    except KeyboardInterrupt:
        print("stopped")


def _run(folder: BenchFolder, lines: Path, cell: Cell, *, measure: bool) -> None:
    """Run one cell. Its fleet is measured and taught first if that is asked for, or where it was last done on
    another day or at another commit.
    """
    facts = {**provenance(), "threads": folder.threads}
    if measure or _outdated(read_lines(lines).latest(cell.fleet), facts):
        _prepare(folder, lines, cell.fleet, facts)
    measured = run_cell(folder, cell)
    work = distinct_work(read_calls(folder.calls_folder(cell, fresh=False)))
    line = CellLine(measured=measured, work=work, date=str(facts["date"]), commit=str(facts["commit"]))
    append_line(lines, line)
    print(cell_text(read_lines(lines), line), flush=True)


def _outdated(line: FleetLine | None, facts: Facts) -> bool:
    return line is None or any(line.provenance[name] != facts[name] for name in ("date", "commit"))


def _prepare(folder: BenchFolder, lines: Path, fleet: Fleet, facts: Facts) -> None:
    peaks = measure_fleet(folder, fleet)
    learn(folder, teaching(fleet))
    line = FleetLine(fleet=fleet, peaks=peaks, provenance=facts)
    append_line(lines, line)
    print(fleet_text(line), flush=True)


def teaching(fleet: Fleet) -> Cell:
    """The run a fleet learns from: small, by haloctl, with all models in memory."""
    return Cell(workload=fleet.workload, queries=FEW, workers=fleet.workers, memory="all", system="haloctl")
