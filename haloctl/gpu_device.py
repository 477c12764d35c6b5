"""The GPU a worker will compute on, asked of the driver's own tool: its name and memory, without PyTorch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_ANSWER_S = 10.0
_FIELDS = "index,uuid,name,memory.total"
_TOOL = "nvidia-smi"


@dataclass(frozen=True)
class Gpu:
    """A device as the driver lists it."""

    index: str
    uuid: str
    name: str
    memory_bytes: int


def first_visible(environment: Mapping[str, str] | None = None) -> Gpu | None:
    """The device that a process with this environment calls its first; None where there is none.

    `CUDA_VISIBLE_DEVICES` counts, also over this process's own.
    """
    settings = {**os.environ, **(environment or {})}
    devices = _listed(shutil.which(_TOOL, path=settings.get("PATH")))
    visible = settings.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return devices[0] if devices else None
    wanted = visible.split(",")[0].strip()
    return next((gpu for gpu in devices if wanted and _is_called(gpu, wanted)), None)


def _is_called(gpu: Gpu, name: str) -> bool:
    return gpu.index == name or (name.startswith("GPU-") and gpu.uuid.startswith(name))


@cache
def _listed(tool: str | None) -> tuple[Gpu, ...]:
    """What the tool says; nothing where it is missing, fails, or does not answer."""
    if tool is None:
        return ()
    command = (tool, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return tuple(gpu for gpu in map(_parsed, lines) if gpu is not None)


def _parsed(line: str) -> Gpu | None:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 4 or not parts[3].isdigit():
        return None
    index, uuid, name, mebibytes = parts
    return Gpu(index=index, uuid=uuid, name=name, memory_bytes=int(mebibytes) << 20)
