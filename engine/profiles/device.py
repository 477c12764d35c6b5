"""A short name for the machine's compute, so that curves of one machine are not used on another."""

from __future__ import annotations

import os
import platform
from pathlib import Path

GPU_DEVICE = "gpu:"
"""What the names of devices that are not the machine's own processor begin with."""


def describe_device(threads: int | None = None, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`cpu:<threads>:<processor model>`; without `threads`, the cores this process may use."""
    used = threads if threads is not None else len(os.sched_getaffinity(0))
    return f"cpu:{used}:{_processor(cpuinfo)}"


def _processor(cpuinfo: Path) -> str:
    try:
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return " ".join(value.split())
    except OSError:
        pass  # not Linux, or a sealed container: the architecture has to do
    return platform.machine() or "unknown"
