"""How far a trained model answers alike in different company: W1 to W6 and the market brief on haloctl-mini.

Greedy text depends a little on what else is in a batch, since sums are then taken in another order. Each
workload answers the same questions row by row, operator by operator and by haloctl, with its own schemas and
lengths; rows whose outputs are equal to those of row by row, character for character, are counted. The time
each took stands beside, from starting workers to the last row: the trained model decodes as long as it wants,
so the work is equal only as far as answers are.

    python -m bench.agreement [--queries 16] [--only W1 brief] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.provenance import provenance, record
from bench.workloads.matrix import WORKLOADS
from bench.workloads.one_batch import run_batch, write_table
from bench.workloads.systems import SYSTEMS
from engine.ir.event import Event
from engine.ir.options import RunOptions
from engine.journal.output_target import OutputTarget
from haloctl import embedded
from haloctl.config import load_settings
from haloctl.request import BatchRequest, TableSource
from haloctl.workflow_files import read_texts
from workflows import catalogue
from workflows.workloads.folder import build_databases, make_settings
from workflows.workloads.questions import rows
from workflows.workloads.serve import MockApi

COMPARED = ("row_by_row", "opwise", "haloctl")
ALONE = COMPARED[0]
BRIEF = "brief"

Row = Mapping[str, Any]


def main() -> None:
    """Print a line for each workload, and write them down if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.agreement", description=__doc__)
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--only", nargs="+", default=(*WORKLOADS, BRIEF), metavar="NAME")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = provenance()
    with tempfile.TemporaryDirectory() as place:
        lines = list(compared(Path(place), options.only, options.queries))
    if options.json is not None:
        record(options.json, before, queries=options.queries, workloads=lines)


def compared(folder: Path, names: Iterable[str], queries: int) -> Iterable[dict[str, Any]]:
    """For each workload: rows that came out well, rows like those of row by row, and seconds, by system."""
    files = build_databases(folder, films=0.01, pages=0.01)
    with MockApi(files, latency_scale=0) as api:
        config = _settings(folder, api.url)
        for name in names:
            runs = {system: _run(folder, config, name, system, queries, api.url) for system in COMPARED}
            line = _line(name, runs)
            sys.stdout.write(_text(line))
            sys.stdout.flush()
            yield line


def _settings(folder: Path, api: str) -> Path:
    model = embedded.model_path("haloctl-mini")
    text = make_settings(api).replace('backend = "echo"', f'gguf = "{model}"')
    path = folder / "haloctl.toml"
    path.write_text(f'{text}\n[paths]\nruns = "{folder}/runs"\ncache = "{folder}/cache"\n', encoding="utf-8")
    return path


def _run(
    folder: Path, config: Path, name: str, system: str, queries: int, api: str
) -> tuple[dict[str, Row], float]:
    """Rows by id, and the seconds that the run took. Raises HaloError."""
    answers = folder / "answers.jsonl"
    request = BatchRequest(
        workflows=read_texts([catalogue.path(_workflow(name))]),
        source=TableSource(location=str(_table(folder, name, queries, api)), id_column="id"),
        target=OutputTarget(path=str(answers), overwrite=True),
        options=RunOptions(mechanisms=SYSTEMS[system]),
    )
    settings = load_settings(config, environ={}).settings
    seconds = run_batch(settings, request, _unseen).running_s
    found = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row for row in found}, seconds


def _workflow(name: str) -> str:
    return "tpch/brief.yaml" if name == BRIEF else f"workloads/{WORKLOADS[name][0]}.yaml"


def _table(folder: Path, name: str, queries: int, api: str) -> Path:
    if name == BRIEF:
        with catalogue.path("tpch/questions.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))[:queries]
    else:
        table = [{**row, "api": api} for row in rows(WORKLOADS[name][1], queries)]
    return write_table(folder / "questions.csv", table)


def _line(name: str, runs: Mapping[str, tuple[dict[str, Row], float]]) -> dict[str, Any]:
    alone, _ = runs[ALONE]
    return {
        "workload": name,
        "rows": len(alone),
        "ok": {
            system: sum(row["status"] == "ok" for row in found.values())
            for system, (found, _) in runs.items()
        },
        "alike": {
            system: sum(row["outputs"] == alone[key]["outputs"] for key, row in found.items())
            for system, (found, _) in runs.items()
            if system != ALONE
        },
        "seconds": {system: round(seconds, 2) for system, (_, seconds) in runs.items()},
    }


def _text(line: dict[str, Any]) -> str:
    alike = ", ".join(f"{system} {count}" for system, count in line["alike"].items())
    seconds = ", ".join(f"{system} {value:.1f}" for system, value in line["seconds"].items())
    well = ", ".join(f"{system} {count}" for system, count in line["ok"].items())
    start = f"{line['workload']}: of {line['rows']} rows ok: {well}"
    return f"{start}; like row by row: {alike}; seconds: {seconds}\n"


def _unseen(_event: Event) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    main()
