"""python -m bench.gpu_check [--plan] [--wheels FOLDER] [--shapes 8b,1b] [--only STEP] [--json FILE]

Runs the steps of `bench.gpu_check.plan` on this machine's CUDA device, prints a table, and writes what was
found. `--plan` says what would be done and does nothing. `--wheels` names a folder of wheels for what is
missing here, for machines that reach no network. `--reference` checks the check: on any machine, with layers
computed in plain PyTorch; its figures say nothing of a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.gpu_check.carry_out import ROOT, Check, Result
from bench.gpu_check.plan import LIMIT_S, REFERENCE_TIMES, Stage, longest_s, stages
from bench.provenance import provenance


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every step passed."""
    options = _options(arguments)
    shapes = tuple(filter(None, options.shapes.split(",")))
    with tempfile.TemporaryDirectory(prefix="haloctl-gpu-") as made:
        folder = Path(made)
        planned = stages(folder, shapes, reference=options.reference)
        if options.plan:
            _tell_plan(planned)
            return 0
        limit_s = LIMIT_S * REFERENCE_TIMES if options.reference else LIMIT_S
        check = Check(folder, _environment(folder, options.wheels), limit_s, only=options.only)
        results = check.run(planned)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(_record(results, reference=options.reference), indent=2) + "\n")
    sys.stdout.write(f"written to {options.json}\n")
    return 0 if all(result.state == "passed" for result in results) else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_check", description=__doc__)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--shapes", default="8b,1b")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--json", type=Path, default=ROOT / "bench" / "results" / "gpu_check.json")
    return parser.parse_args(arguments)


def _tell_plan(planned: tuple[Stage, ...]) -> None:
    for number, stage in enumerate(planned, 1):
        for place, lane in enumerate(stage):
            for step in lane:
                beside = f"{number}{'abc'[place] if len(stage) > 1 else ' '}"
                sys.stdout.write(f"{beside} {step.name:12} {step.limit_s:4} s at most  {step.shows}\n")
    sys.stdout.write(f"{'in all':15} {min(LIMIT_S, longest_s(planned)):4} s at most\n")


def _record(results: list[Result], *, reference: bool) -> dict[str, object]:
    where = provenance()
    found = {result.step: result.figures for result in results}
    device = {"device": found.get("machine", {}).get("CUDA", "none")}
    kind = {"of": "the reference on a CPU" if reference else "ExLlamaV2 on a GPU"}
    return {"provenance": {**where, **device, **kind}, "steps": [asdict(result) for result in results]}


def _environment(folder: Path, wheels: Path | None) -> dict[str, str]:
    """This process's environment, with packages from wheels put before those of the machine."""
    environment = dict(os.environ)
    environment.setdefault("MAX_JOBS", str(len(os.sched_getaffinity(0))))
    environment.setdefault("PYTHONUNBUFFERED", "1")
    if wheels is not None:
        site = folder / "site"
        found = sorted(map(str, wheels.glob("*.whl")))
        install = (sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps")
        subprocess.run((*install, "--target", str(site), *found), check=True)
        before = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(site), before)))
    return environment


if __name__ == "__main__":
    sys.exit(main())
