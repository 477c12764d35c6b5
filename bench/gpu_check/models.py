"""Everything the steps load, made once: random folders, the workloads' models in both forms, databases."""

from __future__ import annotations

import time
from pathlib import Path

from bench.gpu_check.target import TINY, Figures, Target
from bench.workloads.models import SIZES
from workflows.mini.build import build_model
from workflows.mini.folder import folder_of_file
from workflows.mini.random_folder import write_random_folder
from workflows.workloads.folder import build_databases

SMALL = "tiny"
"""The random folder of steps that ask nothing of the weights' number."""

LAYERS = "small"
"""That of steps that look into layers: its heads have the width of real ones."""


def folders(target: Target, folder: Path, *shapes: str) -> Figures:
    """Write the folders of these shapes, and of those that steps ask for."""
    since = time.perf_counter()
    looked_into = () if target.reference else (LAYERS,)
    for shape in dict.fromkeys((SMALL, *looked_into, *shapes)):
        write_random_folder(shape, shape_folder(folder, shape))
    return {"seconds": time.perf_counter() - since}


def workloads(target: Target, folder: Path) -> Figures:
    """Write the workloads' models S, M and L in both forms, and their databases."""
    since = time.perf_counter()
    for seed, (name, shape) in enumerate(SIZES["small"].items()):
        chosen = TINY if target.reference else shape
        file = build_model(gguf_of(folder, name), shape=chosen, seed=seed)
        folder_of_file(file, folder_of(folder, name))
    build_databases(databases_folder(folder))
    return {"seconds": time.perf_counter() - since}


def shape_folder(folder: Path, shape: str) -> Path:
    """Where a random folder lies."""
    return folder / "shapes" / shape


def gguf_of(folder: Path, name: str) -> Path:
    """The GGUF form of a workloads' model."""
    made = folder / "workloads"
    made.mkdir(parents=True, exist_ok=True)
    return made / f"{name}.gguf"


def folder_of(folder: Path, name: str) -> Path:
    """Its form for GPU workers."""
    return folder / "workloads" / name


def databases_folder(folder: Path) -> Path:
    """The folder of the workloads' databases."""
    made = folder / "data"
    made.mkdir(parents=True, exist_ok=True)
    return made
