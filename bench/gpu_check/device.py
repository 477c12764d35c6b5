"""The steps that compute on the device, one a process: figures go to a JSON file in the folder given.

python -m bench.gpu_check.device STEP FOLDER [ARGUMENT…] [--reference]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from engine.backends.exllamav2.environment import build, examine, require_device
from engine.backends.exllamav2.extension import prepare

STEPS = {
    "machine": "bench.gpu_check.device:machine",
    "extension": "bench.gpu_check.device:extension",
    "folders": "bench.gpu_check.models:folders",
    "workloads": "bench.gpu_check.models:workloads",
    "attention": "bench.gpu_check.kernels:attention",
    "compiled": "bench.gpu_check.kernels:compiled",
    "agreement": "bench.gpu_check.layers:agreement",
    "runs": "bench.gpu_check.runs:runs",
    "training": "bench.gpu_check.training:training",
    "memory": "bench.gpu_check.shortage:memory",
    "rates": "bench.gpu_check.shapes:rates_of_shape",
    "engine": "bench.gpu_check.shapes:engine_of_shape",
}
"""Step → the function that does it, imported in the step's own process."""


def machine(reference: bool, _folder: Path) -> dict[str, object]:
    """What doctor says, and versions. Raises ConfigError without a device, where one is to be checked."""
    facts: dict[str, object] = {fact.subject: f"{fact.state}: {fact.words}" for fact in examine()}
    if reference:
        return facts
    require_device()
    import torch

    compute = ".".join(map(str, torch.cuda.get_device_capability(0)))
    versions = {
        "driver_cuda": str(torch.version.cuda),
        "llguidance": version("llguidance"),
        "compute": compute,
    }
    return {**facts, "build": build(), **versions}


def extension(reference: bool, _folder: Path) -> dict[str, object]:
    """Import the library, which compiles its extension where that was not done: for this device alone."""
    if reference:
        return {"left_out": "the reference computes in PyTorch"}
    import torch

    # Whoever ends this leaves no lock on what is compiled.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended while compiling"))
    prepare(torch)  # as every worker does: compiled in another way, it would be compiled again
    since = time.perf_counter()
    import exllamav2  # noqa: F401 - importing it is the step

    return {"seconds": time.perf_counter() - since, "jobs": os.environ.get("MAX_JOBS", "")}


def main(arguments: list[str]) -> int:
    """Carry out one step and keep its figures."""
    reference = "--reference" in arguments
    name, folder, *rest = [argument for argument in arguments if argument != "--reference"]
    module, _, function = STEPS[name].partition(":")
    if module == "bench.gpu_check.device":
        figures = {"machine": machine, "extension": extension}[name](reference, Path(folder))
    else:
        from bench.gpu_check.target import Target

        work: Callable[..., object] = getattr(import_module(module), function)
        figures = work(Target(reference), Path(folder), *rest)  # type: ignore[assignment]
    place = name if name not in ("rates", "engine") else f"{name}.{rest[0]}"
    (Path(folder) / f"{place}.json").write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
