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
    """A fleet's peaks, and when and where they were measured. Runs of that fleet belong to the latest one
    before them.
    """

    fleet: Fleet
    peaks: dict[str, Peak]
    provenance: dict[str, str | int | float]


class CellLine(Record, tag="cell", frozen=True, kw_only=True):
    """A finished cell, the distinct work of its batch, and the day (UTC) and commit it was run on.

    Those two are None in results of before each run kept its own.
    """

    measured: Measured
    work: dict[str, Work]
    date: str | None = None
    commit: str | None = None


Line: TypeAlias = FleetLine | CellLine


class Results(Record, frozen=True, kw_only=True):
    """All lines, in the order in which they were measured.

    drift: by the cell's name, how far its texts are from row by row's; not there where row by row was not run
    on as many queries, and empty until all runs are made.
    """

    lines: tuple[Line, ...] = ()
    drift: dict[str, float] = msgspec.field(default_factory=dict)

    @property
    def fleets(self) -> tuple[FleetLine, ...]:
        """Every measurement of peaks."""
        return tuple(line for line in self.lines if isinstance(line, FleetLine))

    @property
    def cells(self) -> tuple[CellLine, ...]:
        """Every run."""
        return tuple(line for line in self.lines if isinstance(line, CellLine))

    def find(self, cell: Cell) -> CellLine | None:
        """The cell's line, if it was run. Row by row needs no second worker: one's figures stand for two."""
        if cell.system == "row_by_row":
            cell = msgspec.structs.replace(cell, workers=1)
        return next((line for line in self.cells if line.measured.cell == cell), None)

    def latest(self, fleet: Fleet) -> FleetLine | None:
        """The fleet's last line, if it was measured."""
        return next((line for line in reversed(self.fleets) if line.fleet == fleet), None)

    def fleet_of(self, cell: Cell) -> FleetLine:
        """The peaks measured last before the cell was run. Raises LookupError when there are none."""
        found = None
        for line in self.lines:
            if isinstance(line, FleetLine):
                found = line if line.fleet == cell.fleet else found
            elif line.measured.cell == cell:
                break
        if found is None:
            raise LookupError(f"no peaks for {cell.name}")
        return found

    def limit_s(self, line: CellLine) -> float:
        """What the cell's batch takes at best on its fleet. Raises LookupError when that was not measured."""
        return limit_s(line.work, self.fleet_of(line.measured.cell).peaks)


class OtherVersion(ValueError):
    """What was kept is not what this version of the benchmark writes."""


def read_lines(path: Path) -> Results:
    """What a file of lines holds; a line cut off by a kill is left out. Empty without the file.

    Raises OtherVersion for a line it cannot hold.
    """
    lines: list[Line] = []
    for number, text in enumerate(path.read_bytes().split(b"\n")[:-1] if path.exists() else (), 1):
        try:
            lines.append(msgspec.json.decode(text, type=Line))
        except msgspec.ValidationError as error:
            raise OtherVersion(
                f"{path}, line {number}: {error}: another version kept it; --fresh begins anew"
            ) from None
    return Results(lines=tuple(lines))


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
    """What `write_document` wrote. Raises OtherVersion for anything else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except msgspec.ValidationError as error:
        raise OtherVersion(f"{path}: {error}: another version wrote it; measure it anew") from None


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive numbers; 0 for none."""
    kept = list(values)
    product = 1.0
    for value in kept:
        product *= value ** (1 / len(kept))
    return product if kept else 0.0
