"""What the machine offers: cores and memory, as far as this process may use them."""

from __future__ import annotations

import os
from pathlib import Path

_FALLBACK_BYTES = 4 << 30


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Physical memory, or the control group's limit where that is lower."""
    return min([_physical_bytes(), *_group_limits()])


def _physical_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return _FALLBACK_BYTES


def _group_limits() -> list[int]:
    limits = []
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text))
    return limits
