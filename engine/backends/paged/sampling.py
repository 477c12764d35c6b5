"""Choosing tokens for whole batches where the logits are: greedy, or drawn with a seed per request.

The order is llama.cpp's: repeat penalty, top-k, top-p, min-p, temperature, draw. A drawn token depends on its
request's seed, how many tokens it drew before, and its logits, never on what else is in the batch.
"""

from __future__ import annotations

import random
import secrets
from typing import TypeAlias

import torch

from engine.backends.paged.constraint import Matcher
from engine.backends.paged.shortage import named_alike
from engine.ir.logical import Sampling

PENALTY_WINDOW = 64
Tensor: TypeAlias = torch.Tensor


class Chooser:
    """One request's state: its settings, its random numbers, and where it stands in its schema."""

    def __init__(
        self,
        sampling: Sampling,
        matcher: Matcher | None = None,
        banned: tuple[int, ...] = (),
        *,
        default_seed: int | None = None,
    ) -> None:
        """`banned` tokens are never chosen; without any seed each request draws differently."""
        self.sampling = sampling
        self.matcher = matcher
        self.banned = banned
        seed = default_seed if sampling.seed is None else sampling.seed
        seed = secrets.randbits(64) if seed is None else seed
        self._random = random.Random(seed)

    @property
    def greedy(self) -> bool:
        """Whether the likeliest allowed token is taken."""
        return self.sampling.temperature <= 0

    def draw(self) -> float:
        """The next number of this request, from 0 up to but not 1."""
        return self._random.random()


def choose(logits: Tensor, choosers: list[Chooser], recent: list[list[int]], end: int) -> list[int]:
    """The next token of every row of `logits` (rows, vocabulary); changes `logits`.

    `recent` holds each row's last tokens. Matchers move on. A row whose grammar leaves nothing gets `end`.
    """
    _forbid(logits, choosers)
    _penalise(logits, choosers, recent)
    tokens = logits.argmax(dim=-1).tolist()
    strict = [row for row, chooser in enumerate(choosers) if _refused(chooser, tokens[row])]
    for row in strict:
        matcher = choosers[row].matcher
        assert matcher is not None
        allowed = torch.from_numpy(matcher.allowed()).to(logits.device)
        logits[row].masked_fill_(~allowed, -torch.inf)
    if strict:
        for row, token in zip(strict, logits[strict].argmax(dim=-1).tolist(), strict=True):
            tokens[row] = token
    drawing = [row for row, chooser in enumerate(choosers) if not chooser.greedy]
    if drawing:
        for row, token in zip(
            drawing, _draw(logits[drawing], [choosers[row] for row in drawing]), strict=True
        ):
            tokens[row] = token
    dead = set(_without_choice(logits, strict))
    for row in strict:
        matcher = choosers[row].matcher
        if row in dead or matcher is None or not matcher.accept(tokens[row]):
            tokens[row] = end
    return [int(token) for token in tokens]


def _forbid(logits: Tensor, choosers: list[Chooser]) -> None:
    for row, chooser in enumerate(choosers):
        if chooser.banned:
            logits[row, list(chooser.banned)] = -torch.inf


def _penalise(logits: Tensor, choosers: list[Chooser], recent: list[list[int]]) -> None:
    """Divide what was said lately by the penalty, or multiply it where it is below zero."""
    for row, chooser in enumerate(choosers):
        penalty = chooser.sampling.repeat_penalty
        if penalty == 1.0 or not recent[row]:
            continue
        said = torch.tensor(sorted(set(recent[row][-PENALTY_WINDOW:])), device=logits.device)
        values = logits[row, said]
        logits[row, said] = torch.where(values > 0, values / penalty, values * penalty)


def _refused(chooser: Chooser, likeliest: int) -> bool:
    """Whether the row needs its grammar's mask. A greedy row's likeliest token is tried first: to try one
    token costs a hundredth of asking for all.
    """
    if chooser.matcher is None:
        return False
    return not (chooser.greedy and chooser.matcher.accept(likeliest))


def _without_choice(logits: Tensor, rows: list[int]) -> list[int]:
    if not rows:
        return []
    none = (logits[rows].amax(dim=-1) == -torch.inf).tolist()
    return [row for row, empty in zip(rows, none, strict=True) if empty]


def _draw(logits: Tensor, choosers: list[Chooser]) -> list[int]:
    """One token a row by inverting its cumulative distribution at the row's own random number.

    Sorting takes several times the memory of the logits: where that is not there, fewer rows are sorted at
    once. Raises torch.OutOfMemoryError when a single row cannot be.
    """
    return _at_points(logits, choosers, [chooser.draw() for chooser in choosers])


def _at_points(logits: Tensor, choosers: list[Chooser], points: list[float]) -> list[int]:
    try:
        with named_alike():
            return _inverted(logits, choosers, points)
    except torch.OutOfMemoryError:
        if len(choosers) == 1:
            raise
    half = len(choosers) // 2
    first = _at_points(logits[:half], choosers[:half], points[:half])
    return first + _at_points(logits[half:], choosers[half:], points[half:])


def _inverted(logits: Tensor, choosers: list[Chooser], points: list[float]) -> list[int]:
    device = logits.device

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, device=device, dtype=torch.float32)[:, None]

    settings = [chooser.sampling for chooser in choosers]
    values, ids = logits.float().sort(dim=-1, descending=True, stable=True)
    rank = torch.arange(values.shape[1], device=device)
    most = column([float(s.top_k) if s.top_k > 0 else float("inf") for s in settings])
    values = values.masked_fill(rank >= most, -torch.inf)
    weights = values.softmax(dim=-1)
    before = weights.cumsum(dim=-1) - weights
    values = values.masked_fill((before >= column([s.top_p for s in settings])) & (rank > 0), -torch.inf)
    floor = column([s.min_p for s in settings]) * weights[:, :1]
    values = values.masked_fill(weights < floor, -torch.inf)
    final = (values / column([s.temperature for s in settings])).softmax(dim=-1)
    reached = final.cumsum(dim=-1)
    point = column(points) * reached[:, -1:]
    places = (reached <= point).sum(dim=-1, keepdim=True)
    # Rounding may put the point on the last bit: stay among the tokens that have any weight.
    kept = (final > 0).sum(dim=-1, keepdim=True)
    places = torch.minimum(places, (kept - 1).clamp(min=0))
    return [int(token) for token in ids.gather(1, places)[:, 0].tolist()]
