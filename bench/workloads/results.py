"""What a benchmark keeps: a line for each fleet and cell as they are done, and one document at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec

from bench.workloads.limit import Peak, Work, limit_s
from bench.workloads.matrix import Cell, Fleet
from bench.workloads.run_cell import Measured
from engine.ir.ids import Record


class FleetLine(Record, tag="fleet", frozen=True, kw_only=True):
    """A fleet's peaks, and the machine it was measured on."""

    fleet: Fleet
    peaks: dict[str, Peak]
    provenance: dict[str, str | int | float]


class CellLine(Record, tag="cell", frozen=True, kw_only=True):
    """A finished cell, the distinct work of its batch, and how far its texts drifted from row by row's.

    drift: share of the calls both made; None where row by row was not run on as many queries.
    """

    measured: Measured
    work: dict[str, Work]
    drift: float | None


Line: TypeAlias = FleetLine | CellLine


class Results(Record, frozen=True, kw_only=True):
    """All lines, in the order in which they were measured."""

    fleets: tuple[FleetLine, ...] = ()
    cells: tuple[CellLine, ...] = ()

    def find(self, cell: Cell) -> CellLine | None:
        """The cell's line, if it was run. Row by row needs no second worker: one's figures stand for two."""
        if cell.system == "row_by_row":
            cell = msgspec.structs.replace(cell, workers=1)
        return next((line for line in self.cells if line.measured.cell == cell), None)

    def fleet(self, fleet: Fleet) -> FleetLine | None:
        """The fleet's line, if it was measured."""
        return next((line for line in self.fleets if line.fleet == fleet), None)

    def limit_s(self, line: CellLine) -> float:
        """What the cell's batch takes at best on its fleet. Raises LookupError when that was not measured."""
        fleet = self.fleet(line.measured.cell.fleet)
        if fleet is None:
            raise LookupError(f"no peaks for {line.measured.cell.name}")
        return limit_s(line.work, fleet.peaks)


def read_lines(path: Path) -> Results:
    """What a file of lines holds; a line cut off by a kill is left out. Empty without the file."""
    fleets: list[FleetLine] = []
    cells: list[CellLine] = []
    for text in path.read_bytes().split(b"\n")[:-1] if path.exists() else ():
        line: Line = msgspec.json.decode(text, type=Line)
        if isinstance(line, FleetLine):
            fleets.append(line)
        else:
            cells.append(line)
    return Results(fleets=tuple(fleets), cells=tuple(cells))


def append_line(path: Path, line: Line) -> None:
    """Add a line, in the place of one that was cut off."""
    with path.open("a+b") as out:
        out.seek(0)
        out.truncate(out.read().rfind(b"\n") + 1)
        out.write(msgspec.json.encode(line) + b"\n")


def write_document(path: Path, results: Results) -> None:
    """The results as one JSON document."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read_document(path: Path) -> Results:
    """What `write_document` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive numbers; 0 for none."""
    kept = list(values)
    product = 1.0
    for value in kept:
        product *= value ** (1 / len(kept))
    return product if kept else 0.0
