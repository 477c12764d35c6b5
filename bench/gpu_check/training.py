"""The embedded model's trainer on the device: the same weights twice, through a stop, and into files."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import load_file

from bench.gpu_check.target import TINY, Figures, Target
from workflows.mini.training.checkpoint import load_network
from workflows.mini.training.corpus import example
from workflows.mini.training.evaluate import answers
from workflows.mini.training.export import write_folder, write_gguf
from workflows.mini.training.train import CHECKPOINT, train
from workflows.mini.training.trainer import Trainer, TrainingPlan

APART = 0.02
"""What the first step's loss may differ by from the processor's: products are in bfloat16 on either."""

_STEPS = 12


def training(target: Target, folder: Path) -> Figures:
    """Train a few steps, again, and with a stop in the midst; export the weights and let llama.cpp read them.

    Raises SystemExit when weights differ that should not, or a loss does from the processor's.
    """
    plan = replace(TrainingPlan(), steps=_STEPS, decay_steps=_STEPS // 2)
    if target.reference:
        plan = replace(plan, shape=TINY, batch_tokens=600, part_tokens=300)
    device = "cpu" if target.reference else "cuda"
    first, again, parted = (folder / "training" / name for name in ("first", "again", "parted"))
    since = time.perf_counter()
    run = _train(first, plan, device)
    seconds = time.perf_counter() - since
    _train(again, plan, device)
    for until in (_STEPS // 2, _STEPS):
        _train(parted, plan, device, until)
    for other in (again, parted):
        compare_weights(first, other)
    apart = _first_loss_apart(plan, device)
    if not apart <= APART:
        raise SystemExit(f"the first loss differs by {apart:.4f} of the processor's")
    return {
        "steps": _STEPS,
        "tokens_per_s": run.progress.tokens / seconds,
        "again": "the same weights",
        "with_a_stop": "the same weights",
        "first_loss_differs_by": apart,
        "exported": _export(first, target),
    }


def _train(folder: Path, plan: TrainingPlan, device: str, until: int | None = None) -> Trainer:
    return train(folder, plan, device=device, save_every_s=1e9, until=until)


def compare_weights(one: Path, other: Path) -> None:
    """Weights and moments, bit by bit. Raises SystemExit naming those that differ."""
    left, right = (load_file(folder / CHECKPOINT) for folder in (one, other))
    differ = [name for name, values in left.items() if values.tobytes() != right[name].tobytes()]
    if differ:
        raise SystemExit(
            f"{other.name}: {len(differ)} of {len(left)} tensors differ: {', '.join(differ[:5])}"
        )


def _first_loss_apart(plan: TrainingPlan, device: str) -> float:
    """Of one step from the same start."""
    there, here = (Trainer(plan, where).step() for where in (device, "cpu"))
    return abs(there - here) / here


def _export(folder: Path, target: Target) -> str:
    """Both forms of the trained weights; the GGUF answers a prompt, whatever it says after a few steps."""
    network = load_network(folder / CHECKPOINT)
    gguf = write_gguf(network, folder / "trained.gguf")
    write_folder(network, folder / "trained")
    made = example(0, "held", family="extract")
    said = answers(gguf, [made.messages], threads=1 if target.reference else None)
    return f"{gguf.stat().st_size:,} bytes; llama.cpp reads it and says {len(said[0])} characters"
