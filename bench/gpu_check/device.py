"""The steps that compute on the device, one a process: figures go to a JSON file in the folder given."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from bench.gpu_check.measure import rates
from engine.backends.exllamav2 import open_exllamav2
from engine.backends.exllamav2.environment import build, examine, require_device
from engine.backends.paged.attention import gathered, reference
from engine.backends.paged.model_folder import read_folder
from engine.backends.paged.network import lay_out
from engine.backends.paged.reference_network import ReferenceNetwork
from engine.backends.paged.sizes import fit
from engine.contracts import Backend
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile, ModelOptions
from workflows.mini.random_folder import write_random_folder

Figures = dict[str, object]


def machine(_folder: Path) -> Figures:
    """What doctor says, and versions."""
    facts = {fact.subject: f"{fact.state}: {fact.words}" for fact in examine()}
    require_device()
    return {**facts, "build": build(), "driver_cuda": torch.version.cuda, "llguidance": version("llguidance")}


def extension(_folder: Path) -> Figures:
    """Import the library, which compiles its extension where that was not done."""
    since = time.perf_counter()
    import exllamav2  # noqa: F401 - importing it is the step

    return {"seconds": time.perf_counter() - since}


def attention(_folder: Path) -> Figures:
    """Largest difference to float32 in the shape of an 8B model, and milliseconds of a step's layer."""
    draw = torch.Generator("cuda").manual_seed(0)
    rows, heads, kv_heads, width, pages = 64, 32, 8, 128, 4
    table = torch.randperm(rows * pages, generator=draw, device="cuda").view(rows, pages).int()
    past = torch.randint(200, 1000, (rows,), generator=draw, device="cuda", dtype=torch.int32)
    shape = (rows * pages, 256, kv_heads, width)
    keys, values = (torch.randn(shape, generator=draw, device="cuda").half() for _ in range(2))
    found: Figures = {}
    for new in (1, 24):
        q = torch.randn(rows, new, heads, width, generator=draw, device="cuda").half()
        arguments = (q, keys, values, past, table, width**-0.5)
        apart = (gathered(*arguments).float() - reference(*arguments).float()).abs().max()
        found[f"largest_difference_{new}"] = float(apart)
        found[f"milliseconds_{new}"] = _milliseconds(lambda arguments=arguments: gathered(*arguments))  # type: ignore[misc]
    if max(float(found[f"largest_difference_{new}"]) for new in (1, 24)) > 0.01:  # type: ignore[arg-type]
        raise SystemExit(f"attention over pages differs from its definition: {found}")
    return found


def agreement(folder: Path) -> Figures:
    """Logits of ExLlamaV2's layers against plain float32 ones, over prompts that lie in two pages."""
    from engine.backends.exllamav2.network import open_network

    path = write_random_folder("tiny", folder / "tiny")
    file = _file(path, 4)
    described = read_folder(path)
    sizes = fit(file, described, 1 << 30)
    ours, theirs = open_network(file, described, sizes), ReferenceNetwork(described, sizes.pages)
    worst = 0.0
    for start in (0, 200):
        parts = [
            ([(7 * row + at) % 500 for at in range(start, start + 200)], start, (1 + row, 5 + row))
            for row in range(3)
        ]
        batch = lay_out(parts)
        found, expected = ours.forward(batch).cpu(), theirs.forward(batch)
        worst = max(worst, float((found - expected).abs().max() / expected.abs().max()))
    ours.close()
    if worst > 0.02:
        raise SystemExit(f"logits differ by {worst:.4f} of the largest")
    return {"largest_relative_difference": worst}


def rate(folder: Path, shape: str) -> Figures:
    """Rates of a shape, seconds to load and unload it, and device memory before and after."""
    made = time.perf_counter()
    path = write_random_folder(shape, folder / shape)
    made = time.perf_counter() - made
    probe = open_exllamav2(_file(path, 1), 0)
    probe.close()  # what the library keeps for the process is there now
    before = torch.cuda.mem_get_info(0)[0]
    since = time.perf_counter()
    loaded = open_exllamav2(_file(path, 64), 0)
    load_s = time.perf_counter() - since
    held = before - torch.cuda.mem_get_info(0)[0]
    since = time.perf_counter()
    loaded.close()
    unload_s = time.perf_counter() - since
    figures = rates(lambda slots: _load(path, slots), 64, 128)
    left = before - torch.cuda.mem_get_info(0)[0]
    times = {"made_s": made, "load_s": load_s, "unload_s": unload_s}
    return {**times, "held_bytes": held, "bytes_not_given_back": left, **figures}


def _load(path: Path, slots: int) -> Backend:
    return open_exllamav2(_file(path, slots), 0)


def _file(path: Path, slots: int) -> ModelFile:
    options = ModelOptions(slots=slots, context_tokens=2048)
    return ModelFile(name=ModelName("check"), backend="exllamav2", path=str(path), options=options)


def _milliseconds(work: Callable[[], object]) -> float:
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    since = time.perf_counter()
    for _ in range(20):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - since) * 1000 / 20


STEPS: dict[str, Callable[..., Figures]] = {
    "machine": machine,
    "extension": extension,
    "attention": attention,
    "agreement": agreement,
    "rates": rate,
}


def main(arguments: list[str]) -> int:
    """`python -m bench.gpu_check.device STEP FOLDER [SHAPE]`."""
    name, folder, *rest = arguments
    figures = STEPS[name](Path(folder), *rest)
    (Path(folder) / f"{'_'.join((name, *rest))}.json").write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
