"""Run the yardstick, or what of it is chosen, and say what it came to.

    python -m bench.workloads [--quick] [--only W1,64 haloctl ...] [--minutes N] [--fresh] [--size large]
                              [--folder DIR] [--json FILE]
    python -m bench.workloads --check [--size large]
    python -m bench.workloads --page bench/results/workloads.json

Every finished run is kept in the folder at once: a benchmark that was stopped goes on where it was. The most
telling runs come first; `--minutes` begins no other after so many. `--only` takes words that a run's name
must hold, with commas between (W1,64,2w,all,haloctl), several times over. `--json` writes all results as one
document, `--page` makes docs/yardstick.md and its pictures from one, with workloads_large.json beside it, if
there is one, and what people wrote about results in bench/results/workloads_notes.md. `--size large` takes
models four times as large, in a folder of their own. `--check` says in two minutes what the models cost
beside one another, and which share loading has where they take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

from bench.provenance import provenance
from bench.workloads.bench_folder import THREADS, BenchFolder, default_folder
from bench.workloads.check import check
from bench.workloads.drift import with_drift
from bench.workloads.fleet import measure_fleet
from bench.workloads.limit import distinct_work
from bench.workloads.matrix import Cell, Fleet, all_cells, chosen
from bench.workloads.models import SIZES
from bench.workloads.notes import read_notes
from bench.workloads.page import write_page
from bench.workloads.results import (
    CellLine,
    FleetLine,
    Results,
    append_line,
    read_document,
    read_lines,
    write_document,
)
from bench.workloads.run_cell import learn, run_cell
from bench.workloads.summary import cell_text, fleet_text, summary
from engine.testing.fixed_answers_calls import read_calls

LINES = "lines.jsonl"
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "yardstick.md"
NOTES = ROOT / "bench" / "results" / "workloads_notes.md"


def main() -> None:
    """Run what is asked for and not yet done."""
    options = _parse()
    if options.page is not None:
        write_page(PAGE, read_document(options.page), read_notes(NOTES), _large(options.page))
        return
    where = options.folder or default_folder(options.size)
    folder = BenchFolder.at(where, options.threads, SIZES[options.size])
    if options.check:
        check(folder)
        return
    lines = where / LINES
    if options.fresh:
        lines.unlink(missing_ok=True)
    _note_other_commits(lines)
    cells = chosen(all_cells(), only=options.only, quick=options.quick)
    _run_all(folder, lines, cells, options.minutes)
    results = with_drift(folder, read_lines(lines))
    print(summary(results))
    if options.json is not None:
        write_document(options.json, results)


def _large(page: Path) -> Results:
    """What was measured with large models; nothing where that was not."""
    path = page.with_name("workloads_large.json")
    return read_document(path) if path.exists() else Results()


def _run_all(folder: BenchFolder, lines: Path, cells: Iterable[Cell], minutes: float) -> None:
    """Run those not yet done, until `minutes` are over or SIGINT comes: both leave what is done."""
    done = {line.measured.cell for line in read_lines(lines).cells}
    left = [cell for cell in cells if cell not in done]
    print(f"{len(left)} runs to make in {lines.parent}", flush=True)
    began = time.monotonic()
    try:
        for number, cell in enumerate(left):
            if time.monotonic() - began > minutes * 60:
                print(f"{minutes:g} minutes are over, {len(left) - number} runs are left")
                return
            _run(folder, lines, cell)
    except KeyboardInterrupt:
        print("stopped")


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
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="N")
    parser.add_argument("--threads", type=int, metavar="N", default=THREADS, help=f"of a worker ({THREADS})")
    parser.add_argument("--check", action="store_true", help="costs of the models, and the share of loading")
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    parser.add_argument("--size", choices=tuple(SIZES), default="small", help="of the models")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, metavar="JSON")
    return parser.parse_args()


def _run(folder: BenchFolder, lines: Path, cell: Cell) -> None:
    """Run one cell, on a fleet that is measured and taught first if it was not."""
    if read_lines(lines).fleet(cell.fleet) is None or not folder.profiles(cell.fleet).exists():
        _prepare(folder, lines, cell.fleet)
    measured = run_cell(folder, cell)
    calls = list(read_calls(folder.calls_folder(cell, fresh=False)))
    line = CellLine(measured=measured, work=distinct_work(calls), drift=None)
    append_line(lines, line)
    print(cell_text(read_lines(lines), line), flush=True)


def _prepare(folder: BenchFolder, lines: Path, fleet: Fleet) -> None:
    peaks = measure_fleet(folder, fleet)
    learn(folder, teaching(fleet))
    facts = {**provenance(), "threads": folder.threads}
    line = FleetLine(fleet=fleet, peaks=peaks, provenance=facts)
    append_line(lines, line)
    print(fleet_text(line), flush=True)


def teaching(fleet: Fleet) -> Cell:
    """The run a fleet learns from: small, by haloctl, with all models in memory."""
    return Cell(workload=fleet.workload, queries=16, workers=fleet.workers, memory="all", system="haloctl")


if __name__ == "__main__":
    main()
