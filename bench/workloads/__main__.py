"""Run the yardstick, or what of it is chosen, and say what it came to.

    python -m bench.workloads [--quick] [--only W1,64 haloctl ...] [--fresh] [--folder DIR] [--json FILE]
    python -m bench.workloads --page bench/results/workloads.json

Every finished run is kept in the folder at once: a benchmark that was stopped goes on where it was. `--only`
takes words that a run's name must hold, with commas between (W1,64,2w,all,haloctl), several times over.
`--json` writes all results as one document, `--page` makes docs/yardstick.md and its pictures from one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.provenance import provenance
from bench.workloads.bench_folder import BenchFolder, default_folder
from bench.workloads.fleet import measure_fleet
from bench.workloads.limit import decoded, distinct_work, drift
from bench.workloads.matrix import Cell, Fleet, all_cells, chosen
from bench.workloads.page import write_page
from bench.workloads.results import (
    CellLine,
    FleetLine,
    append_line,
    read_document,
    read_lines,
    write_document,
)
from bench.workloads.run_cell import learn, run_cell
from bench.workloads.summary import cell_text, fleet_text, summary
from engine.testing.fixed_answers_calls import read_calls

LINES = "lines.jsonl"
PAGE = Path(__file__).parents[2] / "docs" / "yardstick.md"


def main() -> None:
    """Run what is asked for and not yet done."""
    options = _parse()
    if options.page is not None:
        write_page(PAGE, read_document(options.page))
        return
    folder = BenchFolder.at(options.folder)
    lines = options.folder / LINES
    if options.fresh:
        lines.unlink(missing_ok=True)
    _note_other_commits(lines)
    cells = chosen(all_cells(), only=options.only, quick=options.quick)
    print(f"{len(cells)} runs in {options.folder}")
    for cell in cells:
        if not any(line.measured.cell == cell for line in read_lines(lines).cells):
            _run(folder, lines, cell)
    results = read_lines(lines)
    print(summary(results))
    if options.json is not None:
        write_document(options.json, results)


def _note_other_commits(lines: Path) -> None:
    """Say so when what is kept was measured with other code."""
    now = provenance()["commit"]
    others = {line.provenance["commit"] for line in read_lines(lines).fleets} - {now}
    if others:
        print(f"{lines} holds runs of {', '.join(map(str, sorted(others)))}; --fresh begins anew at {now}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.workloads",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="16 queries, one worker, three systems")
    parser.add_argument("--only", nargs="+", default=(), metavar="WORDS")
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, metavar="JSON")
    return parser.parse_args()


def _run(folder: BenchFolder, lines: Path, cell: Cell) -> None:
    """Run one cell, on a fleet that is measured and taught first if it was not."""
    if read_lines(lines).fleet(cell.fleet) is None or not folder.profiles(cell.fleet).exists():
        _prepare(folder, lines, cell.fleet)
    measured = run_cell(folder, cell)
    calls = list(read_calls(folder.calls_folder(cell, fresh=False)))
    drifted = _drift(folder, lines, cell, decoded(calls))
    line = CellLine(measured=measured, work=distinct_work(calls), drift=drifted)
    append_line(lines, line)
    print(cell_text(read_lines(lines), line), flush=True)


def _prepare(folder: BenchFolder, lines: Path, fleet: Fleet) -> None:
    peaks = measure_fleet(folder, fleet)
    learn(folder, teaching(fleet))
    line = FleetLine(fleet=fleet, peaks=peaks, provenance=provenance())
    append_line(lines, line)
    print(fleet_text(line), flush=True)


def teaching(fleet: Fleet) -> Cell:
    """The run a fleet learns from: small, by haloctl, with all models in memory."""
    return Cell(workload=fleet.workload, queries=16, workers=fleet.workers, memory="all", system="haloctl")


def _drift(folder: BenchFolder, lines: Path, cell: Cell, texts: dict[str, str]) -> float | None:
    """Against row by row, the only system in which no call has company; None before that was run."""
    alone = Cell(workload=cell.workload, queries=cell.queries, workers=1, memory="all", system="row_by_row")
    if cell != alone and read_lines(lines).find(alone) is None:
        return None
    return drift(texts, decoded(read_calls(folder.calls_folder(alone, fresh=False))))


if __name__ == "__main__":
    main()
