"""Checkpoints: weights, moments and progress in one safetensors file, from which a run goes on exactly.

The format holds tensors and text only, so that opening a checkpoint never runs code.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import ConfigError, InvariantBroken
from workflows.mini.model_file import ModelShape
from workflows.mini.training.corpus_digest import corpus_digest
from workflows.mini.training.network import Network
from workflows.mini.training.trainer import Point, Progress, Trainer, described

_WEIGHT, _MOMENT = "weight/", "moment/"
_ADOPT = "--adopt goes on from it all the same; another folder begins anew"


def save(trainer: Trainer, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    names = {weight: name for name, weight in trainer.network.named_parameters()}
    for weight, name in names.items():
        tensors[_WEIGHT + name] = weight.detach()
        for key, moment in _state(trainer, weight).items():
            tensors[f"{_MOMENT}{key}/{name}"] = moment.detach().reshape(moment.shape or (1,))
    metadata = {
        "plan": json.dumps(described(trainer.plan)),
        "corpus": corpus_digest(),
        "progress": json.dumps(asdict(trainer.progress)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, unfinished, metadata)
    os.replace(unfinished, path)


def resume(trainer: Trainer, path: Path, *, adopt: bool = False) -> None:
    """Put a checkpoint into a fresh trainer of the same plan, on the same corpus.

    Raises ConfigError where plan or corpus is another, or the checkpoint does not say which corpus it read;
    `adopt` accepts any corpus, and any plan for a network of the same shape.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        _compare(path, metadata, trainer, adopt=adopt)
        moments = [name.split("/", 2)[1:] for name in file.keys() if name.startswith(_MOMENT)]  # noqa: SIM118
        for name, weight in trainer.network.named_parameters():
            weight.data.copy_(file.get_tensor(_WEIGHT + name))
            state = _state(trainer, weight)
            for key in (key for key, owner in moments if owner == name):
                moment = file.get_tensor(f"{_MOMENT}{key}/{name}")
                state[key] = moment.reshape(()) if key == "step" else moment.to(trainer.device)
    progress = json.loads(metadata["progress"])
    curve = [Point(**point) for point in progress.pop("curve")]
    trainer.progress = Progress(**progress, curve=curve)


def _compare(path: Path, metadata: dict[str, str], trainer: Trainer, *, adopt: bool) -> None:
    """Raise ConfigError unless a checkpoint's run and the trainer's may go on as one."""
    saved = json.loads(metadata["plan"])
    plan = json.loads(json.dumps(described(trainer.plan)))
    if saved["shape"] != plan["shape"]:
        raise ConfigError(f"{path} holds a network of another shape: {saved['shape']}", fix="another folder")
    if adopt:
        return
    others = [name for name in {**saved, **plan} if saved.get(name) != plan.get(name)]
    if others:
        told = ", ".join(f"{name} was {saved.get(name)}, is {plan.get(name)}" for name in others)
        raise ConfigError(f"{path} belongs to another plan: {told}", fix=_ADOPT)
    if metadata.get("corpus") != corpus_digest():
        read = metadata.get("corpus", "one it does not name")
        raise ConfigError(f"{path} read another corpus: {read}, not {corpus_digest()}", fix=_ADOPT)


def _state(trainer: Trainer, weight: Tensor) -> dict[str, Tensor]:
    """What the weight's optimizer remembers of it."""
    for optimizer in trainer.optimizers:
        if any(weight is member for group in optimizer.param_groups for member in group["params"]):
            state: dict[str, Tensor] = optimizer.state[weight]
            return state
    raise InvariantBroken("a weight belongs to no optimizer")


def load_network(path: Path) -> Network:
    """The trained network alone, on the CPU."""
    with safe_open(path, framework="pt") as file:
        shape = ModelShape(**json.loads(file.metadata()["plan"])["shape"])
        weights = {
            name.removeprefix(_WEIGHT): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118  (a file, not a mapping)
            if name.startswith(_WEIGHT)
        }
    network = Network(shape, weights["embedding.weight"].shape[0])
    network.load_state_dict(weights)
    network.eval()
    return network


def load_curve(path: Path) -> list[Point]:
    """The loss curve up to a checkpoint."""
    with safe_open(path, framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
    return [Point(**point) for point in progress["curve"]]
