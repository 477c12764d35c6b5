"""python -m bench.gpu_check [--plan] [--wheels FOLDER] [--shapes 1b,8b] [--json FILE]

Runs the steps of `bench.gpu_check.plan` on this machine's CUDA device, each in a process of its own, prints a
table, and writes what was found. `--plan` says what would be done and does nothing. `--wheels` names a folder
of wheels for what is missing here, for machines that reach no network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.gpu_check.plan import LIMIT_S, Step, steps
from bench.provenance import provenance

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every step passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_check", description=__doc__)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--shapes", default="1b,8b")
    parser.add_argument("--json", type=Path, default=ROOT / "bench" / "results" / "gpu_check.json")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="haloctl-gpu-") as made:
        folder = Path(made)
        planned = steps(folder, tuple(filter(None, options.shapes.split(","))))
        if options.plan:
            sys.stdout.write(
                "".join(f"{step.name:12} {step.limit_s:4} s at most  {step.shows}\n" for step in planned)
            )
            sys.stdout.write(f"{'in all':12} {LIMIT_S:4} s at most\n")
            return 0
        environment = _environment(folder, options.wheels)
        results = run(planned, folder, environment, LIMIT_S)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"provenance": provenance(), "steps": results}, indent=2) + "\n")
    sys.stdout.write(f"written to {options.json}\n")
    return 0 if all(result["passed"] for result in results) else 1


def run(
    planned: tuple[Step, ...], folder: Path, environment: Mapping[str, str], limit_s: float
) -> list[dict[str, Any]]:
    """Results of the steps, printed as they come; none begins after the limit or a needed one's failure."""
    since, results, stopped = time.monotonic(), [], ""
    for step in planned:
        left = limit_s - (time.monotonic() - since)
        if stopped or left < 1:
            result = {"step": step.name, "passed": False, "why": stopped or "no time was left"}
        else:
            result = _run_step(step, folder, environment, min(left, step.limit_s))
            stopped = f"{step.name} failed" if step.needed and not result["passed"] else ""
        results.append(result)
        sys.stdout.write(_line(result))
        sys.stdout.flush()
    return results


def _run_step(step: Step, folder: Path, environment: Mapping[str, str], limit_s: float) -> dict[str, Any]:
    began = time.monotonic()
    why = ""
    try:
        done = subprocess.run(
            step.command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        if done.returncode:
            why = (
                "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
                or f"exit code {done.returncode}"
            )
    except subprocess.TimeoutExpired:
        why = f"not done after {limit_s:.0f} s"
    figures = folder / f"{step.name}.json"
    return {
        "step": step.name,
        "passed": not why,
        "why": why,
        "seconds": round(time.monotonic() - began, 1),
        "figures": json.loads(figures.read_text()) if figures.exists() else {},
    }


def _line(result: Mapping[str, Any]) -> str:
    verdict = "passed" if result["passed"] else "FAILED"
    lines = [f"{result['step']:12} {verdict}  {result.get('seconds', 0):6} s"]
    lines += [f"    {name}: {_words(value)}" for name, value in result.get("figures", {}).items()]
    lines += [f"    | {line}" for line in result["why"].splitlines()]
    return "\n".join(lines) + "\n"


def _words(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _environment(folder: Path, wheels: Path | None) -> dict[str, str]:
    """This process's environment, with packages from wheels put before those of the machine."""
    environment = dict(os.environ)
    environment.setdefault("MAX_JOBS", str(len(os.sched_getaffinity(0))))
    if wheels is not None:
        site = folder / "site"
        found = sorted(map(str, wheels.glob("*.whl")))
        command = (
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--no-deps",
            "--target",
            str(site),
            *found,
        )
        subprocess.run(command, check=True)
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(site), environment.get("PYTHONPATH", "")))
        )
    return environment


if __name__ == "__main__":
    sys.exit(main())
