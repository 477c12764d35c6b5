"""Train the embedded model, or go on where a stopped run left off.

    python -m workflows.mini.training.train FOLDER --steps 5000 --threads 2

FOLDER receives checkpoint.safetensors, loss.json and loss.svg every few minutes. Running the same command
again goes on from the checkpoint; the result is the same as without the stop. A checkpoint of another plan or
of another corpus is refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import torch

from engine.errors import HaloError
from workflows.mini.training.checkpoint import resume, save
from workflows.mini.training.curve import write_curve
from workflows.mini.training.trainer import Point, Trainer, TrainingPlan

CHECKPOINT = "checkpoint.safetensors"


def train(
    folder: Path,
    plan: TrainingPlan,
    *,
    device: str,
    save_every_s: float,
    threads: int = 1,
    compiled: bool = False,
    until: int | None = None,
    adopt: bool = False,
) -> Trainer:
    """Train to the plan's end, or to step `until`, with checkpoints in `folder`.

    Raises ConfigError when `folder` holds a checkpoint of another plan or corpus, unless `adopt` says to go
    on from it.
    """
    if torch.device(device).type == "cuda":
        ask_for_determinism()
    trainer = Trainer(plan, device, threads=threads, compiled=compiled)
    path = folder / CHECKPOINT
    if path.exists():
        resume(trainer, path, adopt=adopt)
        _say(f"going on from step {trainer.progress.step}")
    target = plan.steps if until is None else min(until, plan.steps)
    while trainer.progress.step < target:
        stop_at = time.monotonic() + save_every_s
        while trainer.progress.step < target and time.monotonic() < stop_at:
            trainer.run(min(target, trainer.progress.step + 10), every=10, on_point=_report)
        save(trainer, path)
        write_curve(trainer.progress.curve, folder / "loss.svg")
    return trainer


def ask_for_determinism() -> None:
    """Let PyTorch choose, on a GPU, what adds in the same order each time; to be called before it computes.

    Where it knows no such way it warns and goes on: the weights are good then, but not the same twice.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)


def _report(point: Point) -> None:
    _say(
        f"step {point.step}  {point.tokens / 1e6:.2f} M tokens  loss {point.loss:.4f}  rate {point.rate:.2e}"
        f"  {point.tokens / max(point.seconds, 1e-9):.0f} tokens/s"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    defaults = TrainingPlan()
    parser = argparse.ArgumentParser(prog="python -m workflows.mini.training.train", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument(
        "--decay-steps", type=int, default=defaults.decay_steps, help="at the end of the plan"
    )
    parser.add_argument("--until", type=int, help="stop at this step of the plan")
    parser.add_argument(
        "--adopt", action="store_true", help="go on from a checkpoint of another plan or corpus"
    )
    parser.add_argument("--batch-tokens", type=int, default=defaults.batch_tokens)
    parser.add_argument("--part-tokens", type=int, default=defaults.part_tokens)
    parser.add_argument("--rate", type=float, default=defaults.peak_rate)
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default=defaults.optimizer)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="without a compiler: slower, to debug")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--save-every-s", type=float, default=180.0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    plan = TrainingPlan(
        seed=options.seed,
        steps=options.steps,
        decay_steps=options.decay_steps,
        batch_tokens=options.batch_tokens,
        part_tokens=options.part_tokens,
        peak_rate=options.rate,
        optimizer=options.optimizer,
    )
    train(
        options.folder,
        plan,
        device=options.device,
        threads=options.threads,
        # Kernels compiled for a GPU are chosen by timing them, and so not always the same.
        compiled=not options.plain and torch.device(options.device).type == "cpu",
        save_every_s=options.save_every_s,
        until=options.until,
        adopt=options.adopt,
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HaloError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
