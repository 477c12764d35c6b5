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
from pathlib import Path

from bench.provenance import provenance
from bench.workloads.bench_folder import THREADS, BenchFolder, default_folder
from bench.workloads.check import check
from bench.workloads.drift import with_drift
from bench.workloads.matrix import all_stretches, chosen
from bench.workloads.models import SIZES
from bench.workloads.notes import read_notes
from bench.workloads.origin import commits
from bench.workloads.page import write_page
from bench.workloads.results import OtherVersion, Results, read_document, read_lines, write_document
from bench.workloads.run_all import run_all
from bench.workloads.summary import summary

LINES = "lines.jsonl"
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "yardstick.md"
NOTES = ROOT / "bench" / "results" / "workloads_notes.md"


def main() -> None:
    """Run what is asked for and not yet done. Raises SystemExit for results of another version."""
    try:
        _main(_parse())
    except OtherVersion as error:
        raise SystemExit(f"error: {error}") from None


def _main(options: argparse.Namespace) -> None:
    if options.page is not None:
        write_page(PAGE, read_document(options.page), read_notes(NOTES), large_beside(options.page))
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
    stretches = [chosen(stretch, only=options.only, quick=options.quick) for stretch in all_stretches()]
    run_all(folder, lines, stretches, options.minutes)
    results = with_drift(folder, read_lines(lines))
    print(summary(results))
    if options.json is not None:
        write_document(options.json, results)


def large_beside(page: Path) -> Results:
    """What was measured with large models, of a document beside `page`'s; nothing where there is none."""
    path = page.with_name("workloads_large.json")
    return read_document(path) if path.exists() else Results()


def _note_other_commits(lines: Path) -> None:
    """Say so when what is kept was measured with other code."""
    now = str(provenance()["commit"])
    others = commits(read_lines(lines)) - {now}
    if others:
        print(f"{lines} holds runs of {', '.join(sorted(others))}; --fresh begins anew at {now}")


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


if __name__ == "__main__":
    main()
