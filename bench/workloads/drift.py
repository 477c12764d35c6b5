"""How far texts drifted: which of a run's calls were answered otherwise than without any company."""

from __future__ import annotations

import msgspec

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.limit import decoded, drift
from bench.workloads.matrix import Cell
from bench.workloads.results import CellLine, Results
from engine.testing.fixed_answers_calls import read_calls


def with_drift(folder: BenchFolder, results: Results) -> Results:
    """The results with each cell's drift from row by row, where that was run on as many queries.

    It is found at the end from the logs of calls, since row by row need not have run first.
    """
    references: dict[tuple[str, int], dict[str, str]] = {}
    for line in results.cells:
        cell = line.measured.cell
        if cell.system == "row_by_row" and cell.memory == "all":
            references[cell.workload, cell.queries] = _decoded(folder, cell)
    return msgspec.structs.replace(
        results, cells=tuple(_drifted(folder, line, references) for line in results.cells)
    )


def _drifted(
    folder: BenchFolder, line: CellLine, references: dict[tuple[str, int], dict[str, str]]
) -> CellLine:
    cell = line.measured.cell
    alone = references.get((cell.workload, cell.queries))
    found = None if alone is None else drift(alone, _decoded(folder, cell))
    return line if found is None else msgspec.structs.replace(line, drift=found)


def _decoded(folder: BenchFolder, cell: Cell) -> dict[str, str]:
    return decoded(read_calls(folder.calls_folder(cell, fresh=False)))
