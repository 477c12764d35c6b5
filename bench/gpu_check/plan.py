"""What a check of the GPU backend consists of: steps, each a process of its own with a limit."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 480


@dataclass(frozen=True)
class Step:
    """One process. `needed`: without it nothing after it means anything. Figures go to `name`.json."""

    name: str
    command: tuple[str, ...]
    limit_s: int
    shows: str
    needed: bool = False


def steps(folder: Path, shapes: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps in order; models are made under `folder`, figures are written there."""
    here = (sys.executable, "-m", "bench.gpu_check.device")
    tests = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "120")
    fixed = (
        Step(
            "machine", (*here, "machine", str(folder)), 60, "CUDA, compiler, flash-attn, memory", needed=True
        ),
        Step(
            "extension", (*here, "extension", str(folder)), 240, "seconds to compile ExLlamaV2", needed=True
        ),
        Step("attention", (*here, "attention", str(folder)), 60, "attention over pages against float32"),
        Step(
            "agreement", (*here, "agreement", str(folder)), 60, "logits of ExLlamaV2 against float32 layers"
        ),
        Step("contract", (*tests, "-m", "gpu", "tests/contract"), 150, "the backend contract, on the device"),
    )
    rated = (
        Step(f"rates_{shape}", (*here, "rates", str(folder), shape), 120, f"rates of a random {shape} shape")
        for shape in shapes
    )
    return (*fixed, *rated)
