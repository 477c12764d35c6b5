"""What a check of the GPU backend consists of: stages of steps, each step a process of its own with a limit.

A stage has lanes, whose steps run one after another while the lanes run side by side: the extension is
compiled on the CPU while the GPU is used for what needs no extension. Rates are measured alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 480
REFERENCE_TIMES = 12
"""What a step may take of the reference, in limits: it has no device, and shares a machine with others."""

Lane = tuple["Step", ...]
Stage = tuple[Lane, ...]


@dataclass(frozen=True)
class Step:
    """One process. `needed`: without it nothing after it means anything. Figures go to `name`.json.

    A step is left out, and its line says so, where less than `least_s` of the whole time is left.
    """

    name: str
    command: tuple[str, ...]
    limit_s: int
    shows: str
    needed: bool = False
    least_s: int = 1


def stages(folder: Path, shapes: tuple[str, ...], *, reference: bool = False) -> tuple[Stage, ...]:
    """The stages in order; models are made under `folder`, figures are written there.

    Of `shapes` the first is measured through the whole engine too. `reference` checks the backend with its
    layers computed in plain PyTorch: what the check itself does, on any machine.
    """

    def step(
        name: str, limit_s: int, shows: str, *arguments: str, needed: bool = False, least_s: int = 10
    ) -> Step:
        first, *_ = name.split(".")
        here = (sys.executable, "-m", "bench.gpu_check.device", first, str(folder), *arguments)
        if reference:
            return Step(name, (*here, "--reference"), limit_s * REFERENCE_TIMES, shows, needed)
        return Step(name, here, limit_s, shows, needed, min(least_s, limit_s))

    build = step("extension", 200, "seconds to compile ExLlamaV2", needed=True)
    making = (
        step("folders", 60, "random models in the shapes asked for", *shapes, needed=True),
        step("workloads", 40, "models and databases of W1-W6"),
        step("attention", 40, "ways to attend over pages: difference to float32, milliseconds"),
        step("compiled", 60, "the same by PyTorch's compiled flexible attention"),
    )
    first, *others = shapes
    return (
        ((step("machine", 15, "CUDA, compiler, flash-attn, memory", needed=True),),),
        ((build,), making),
        (
            (_contract(reference=reference),),
            (
                step("agreement", 25, "logits of 16-bit and EXL2 weights, and of caches, against float32"),
                step("runs", 75, "W1-W6 on a GPU worker and on CPU + GPU; a worker killed", least_s=30),
            ),
            (step("training", 90, "the embedded model's trainer: the same weights twice, and after a stop"),),
        ),
        (
            (
                step("memory", 35, "out of memory: smaller batches, clear errors, all given back"),
                step(f"rates.{first}", 65, f"rates of a random {first} shape", first, least_s=30),
                step(
                    f"engine.{first}", 65, "the engine: operator by operator, one by one", first, least_s=30
                ),
                *(step(f"rates.{other}", 30, f"rates of a random {other} shape", other) for other in others),
            ),
        ),
    )


def _contract(*, reference: bool) -> Step:
    tests = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "60")
    chosen = ("-k", "paged_reference") if reference else ("-m", "gpu")
    shows = "the backend contract, on the device"
    limit_s = 100 * REFERENCE_TIMES if reference else 100
    return Step(
        "contract", (*tests, *chosen, "tests/contract/test_backend_contract.py"), limit_s, shows, least_s=40
    )


def longest_s(planned: tuple[Stage, ...], optional: str = "") -> int:
    """Seconds that the stages take at most, when the steps whose names begin with `optional` are left out."""
    return sum(
        max(
            sum(step.limit_s for step in lane if not optional or not step.name.startswith(optional))
            for lane in stage
        )
        for stage in planned
    )


def every_step(planned: tuple[Stage, ...]) -> tuple[Step, ...]:
    """All steps, stage by stage."""
    return tuple(step for stage in planned for lane in stage for step in lane)
