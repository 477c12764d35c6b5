"""The training loop: a warm-up, a plateau and a straight fall; the same steps for equal plans, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from workflows.mini.model_file import ModelShape
from workflows.mini.tokenizer import load_tokenizer
from workflows.mini.training.network import Network
from workflows.mini.training.packing import Batch, Packer, Part
from workflows.mini.training.start import kin
from workflows.mini.vocabulary import load_vocabulary

SHAPE = ModelShape(width=256, layers=8, heads=4, kv_heads=4, feed_forward=512)
"""6.3 M parameters: more layers than usual at this size, because the work is finding and copying."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a run is asked to do. Equal plans give equal weights while the rest stays what it is.

    The rest is the corpus with its vocabulary, which a checkpoint names by a digest (`corpus_digest`); the
    code of this folder, with constants such as the optimizers' momenta and where weights start; PyTorch's
    release; and the arithmetic of the device.
    """

    shape: ModelShape = SHAPE
    seed: int = 0
    steps: int = 9300
    batch_tokens: int = 4096
    part_tokens: int = 1024
    peak_rate: float = 2e-3
    final_share: float = 0.02
    warmup_steps: int = 100
    decay_steps: int = 1800
    """The rate is constant but for these last steps, so that a longer plan begins like a shorter one."""
    optimizer: Literal["adamw", "muon"] = "muon"
    """Muon learns from fewer tokens; it takes the matrices of the layers, AdamW the rest."""
    muon_share: float = 1.5
    """Muon's rate, in AdamW's."""
    embedding_shares: tuple[tuple[int, float], ...] = ((0, 0.3), (1000, 0.6))
    """The embeddings' rate, in AdamW's, from which step on: slow while circuits that compare tokens grow,
    faster when words remain to be learnt."""
    weight_decay: float = 0.05
    clip: float = 1.0
    kinship: float = 0.5
    """What the embeddings of one word's spellings have in common at the start (Europe, EUROPE)."""
    half: bool = True
    """Matrix products in bfloat16; weights, gradients and sums stay in float32."""


@dataclass(frozen=True)
class Point:
    """One step of the loss curve: mean loss per answer token since the point before."""

    step: int
    tokens: int
    loss: float
    rate: float
    seconds: float


@dataclass
class Progress:
    """Where a run stands; what a checkpoint holds beside weights and moments."""

    step: int = 0
    next_example: int = 0
    tokens: int = 0
    seconds: float = 0.0
    curve: list[Point] = field(default_factory=list)


def rate_at(plan: TrainingPlan, step: int) -> float:
    """Learning rate of a step, counted from 0: a short rise, a plateau, and a straight fall at the end."""
    rise = min(1.0, (step + 1) / plan.warmup_steps)
    left = min(1.0, (plan.steps - step) / plan.decay_steps)
    return plan.peak_rate * rise * (plan.final_share + (1 - plan.final_share) * left)


def embedding_share(plan: TrainingPlan, step: int) -> float:
    """The embeddings' rate in a step, in AdamW's."""
    return [share for first, share in plan.embedding_shares if first <= step][-1]


class Trainer:
    """A run of a plan on one device. `network`, `optimizers` and `progress` are what a checkpoint holds.

    On processors each part of a batch is one thread's work, from embedding to gradient: threads meet once a
    step, not in every operation, and the result does not depend on how many there are. On a GPU one thread
    does all.
    """

    def __init__(
        self, plan: TrainingPlan, device: str = "cpu", *, threads: int = 1, compiled: bool = False
    ) -> None:
        vocabulary = load_vocabulary()
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.device = torch.device(device)
        self.network = Network(
            plan.shape, len(vocabulary.tokens), kindred=kin(vocabulary.tokens), kinship=plan.kinship
        ).to(self.device)
        self.optimizers = _optimizers(self.network, plan)
        self.progress = Progress()
        self._packer = Packer(
            load_tokenizer(vocabulary),
            batch_tokens=plan.batch_tokens,
            part_tokens=plan.part_tokens,
            seed=plan.seed,
        )
        self._sum = 0.0
        self._since = 0
        self._weights = tuple(self.network.parameters())
        workers = threads if self.device.type == "cpu" else 1
        self._threads = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        if compiled:
            self.network.compile_blocks()

    def run(self, until: int, *, every: int, on_point: Callable[[Point], None] = lambda _: None) -> None:
        """Train up to step `until`, noting a point of the curve every `every` steps."""
        while self.progress.step < until:
            started = time.perf_counter()
            self._sum += self.step()
            self._since += 1
            self.progress.seconds += time.perf_counter() - started
            if self.progress.step % every == 0 or self.progress.step == until:
                on_point(self._note())

    def step(self) -> float:
        """One optimizer step; returns the mean loss per answer token of its batch."""
        plan, progress = self.plan, self.progress
        batch = self._packer.batch(progress.next_example)
        rate = rate_at(plan, progress.step)
        loss = self._accumulate(batch)
        torch.nn.utils.clip_grad_norm_(self._weights, plan.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                share = embedding_share(plan, progress.step) if group["table"] else group["share"]
                group["lr"] = rate * share
        list(self._threads.map(_update, self.optimizers))
        progress.step += 1
        progress.next_example = batch.next_example
        progress.tokens += batch.tokens
        return loss

    def _accumulate(self, batch: Batch) -> float:
        """Gradients of the whole batch: the parts' gradients, always added in the same order."""
        loss = 0.0
        for part_loss, gradients in self._threads.map(partial(self._gradients, batch.answers), batch.parts):
            loss += part_loss
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return loss

    def _gradients(self, answers: float, part: Part) -> tuple[float, tuple[Tensor, ...]]:
        share = self._loss(part) / answers
        return float(share.detach()), torch.autograd.grad(share, self._weights)

    def _loss(self, part: Part) -> Tensor:
        """Summed loss of some documents."""
        tokens, positions = (torch.from_numpy(grid).to(self.device) for grid in (part.tokens, part.positions))
        weights = torch.from_numpy(part.weights).to(self.device)
        # The token before predicts the one that counts.
        counts = functional.pad(weights[:, 1:], (0, 1))
        wanted = counts.flatten().nonzero().squeeze(1)
        targets = functional.pad(tokens[:, 1:], (0, 1)).flatten()[wanted]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.half):
            logits = self.network(tokens, positions, wanted)
        losses = functional.cross_entropy(logits.float(), targets, reduction="none")
        return (losses * counts.flatten()[wanted]).sum()

    def _note(self) -> Point:
        progress = self.progress
        point = Point(
            step=progress.step,
            tokens=progress.tokens,
            loss=self._sum / max(1, self._since),
            rate=rate_at(self.plan, progress.step - 1),
            seconds=round(progress.seconds, 3),
        )
        self._sum, self._since = 0.0, 0
        progress.curve.append(point)
        return point


def _optimizers(network: Network, plan: TrainingPlan) -> list[torch.optim.Optimizer]:
    """Each weight in one of them. Matrices decay, norms do not; `share` scales the plan's rate."""
    named = list(network.named_parameters())
    vectors = [weight for _, weight in named if weight.ndim < 2]
    tables = [weight for name, weight in named if name.startswith("embedding.")]
    matrices = [weight for name, weight in named if weight.ndim == 2 and not name.startswith("embedding.")]
    groups = [
        {"params": vectors, "weight_decay": 0.0, "share": 1.0, "table": False},
        {"params": tables, "weight_decay": 0.0, "share": 1.0, "table": True},
    ]
    if plan.optimizer == "adamw":
        groups.append({"params": matrices, "weight_decay": plan.weight_decay, "share": 1.0, "table": False})
    adamw = torch.optim.AdamW(groups, lr=plan.peak_rate, betas=(0.9, 0.98))
    if plan.optimizer == "adamw":
        return [adamw]
    # Two halves of like cost, for two threads.
    halves = [matrices[0::2], matrices[1::2]]
    muons = [
        torch.optim.Muon(
            [{"params": half, "share": plan.muon_share, "table": False}],
            lr=plan.peak_rate,
            weight_decay=plan.weight_decay,
            momentum=0.95,
            adjust_lr_fn="match_rms_adamw",
        )
        for half in halves
    ]
    return [*muons, adamw]


def _update(optimizer: torch.optim.Optimizer) -> None:
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def described(plan: TrainingPlan) -> dict[str, object]:
    """The plan as plain JSON values."""
    return asdict(plan)
