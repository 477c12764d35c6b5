"""Where and when figures were measured, without names of machines or people."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def provenance() -> dict[str, str | int | float]:
    """Date, commit, processor, and how busy it was when asked (load average of the last minute)."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 1),
    }


def record(path: Path, measured: Mapping[str, str | int | float], **figures: object) -> None:
    """Write figures as JSON, with the provenance taken before they were `measured`. Raises OSError."""
    text = json.dumps({"provenance": measured, **figures}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _commit() -> str:
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "--short=10", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
