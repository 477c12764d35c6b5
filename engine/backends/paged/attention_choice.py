"""Ways to attend over pages with what PyTorch brings along, and which of them is right and fastest here.

Releases of PyTorch and GPUs differ in what they offer, so a way is tried before it is used: in the shape of
the model, against the definition in float32. One that raises or differs is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch

from engine.backends.paged.attention import Compute, gathered, reference
from engine.backends.paged.pages import PAGE_TOKENS, pages_for

TOLERANCE = 0.01
"""Largest difference to float32 that half precision may make over numbers of about one."""

_ROUNDS = 10
_ROWS = 16
_LONGEST = 900
_PREFILL_TOKENS = 24


@dataclass(frozen=True)
class Shape:
    """Heads of a layer, and how the numbers are stored and where."""

    heads: int
    kv_heads: int
    head_width: int
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True)
class Trial:
    """How one way did: its largest difference to float32, milliseconds of a decode step, or why it is out."""

    name: str
    difference: float = 0.0
    step_ms: float = 0.0
    refused: str = ""


@dataclass(frozen=True)
class Case:
    """Queries over pages of sequences of different lengths; `past` excludes the queries' own tokens."""

    q: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    past: torch.Tensor
    table: torch.Tensor

    def by(self, compute: Compute) -> torch.Tensor:
        """What a way makes of it."""
        return compute(self.q, self.keys, self.values, self.past, self.table, self.q.shape[-1] ** -0.5)


def along_table(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    past: torch.Tensor,
    table: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """PyTorch's own flash kernel, which reads pages where they lie (since 2.13). Raises where it cannot."""
    from torch.nn.attention import varlen

    batch, new, heads, width = q.shape
    starts = torch.arange(batch + 1, device=q.device, dtype=torch.int32) * new
    found = varlen.varlen_attn(
        q.reshape(batch * new, heads, width),
        k_cache,
        v_cache,
        starts,
        None,
        new,
        table.shape[1] * k_cache.shape[1],
        scale=scale,
        window_size=(-1, 0),
        enable_gqa=heads != k_cache.shape[2],
        seqused_k=(past + new).int(),
        block_table=table,
    )
    assert isinstance(found, torch.Tensor)
    return found.view(batch, new, heads, width)


WAYS: Mapping[str, Compute] = {
    "PyTorch's paged flash kernel": along_table,
    "PyTorch, pages gathered": gathered,
}
"""What needs nothing but PyTorch. The last one works everywhere."""


def case(shape: Shape, rows: int, new: int, longest: int, seed: int = 0) -> Case:
    """Random numbers in a shape; sequences of a quarter to all of `longest` tokens, pages in no order."""
    draw = torch.Generator().manual_seed(seed)
    pages = pages_for(longest + new)
    past = torch.randint(longest // 4, longest + 1, (rows,), generator=draw, dtype=torch.int32)
    table = torch.randperm(rows * pages, generator=draw).view(rows, pages).int()

    def numbers(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=draw).to(shape.device, shape.dtype)

    cells = (rows * pages, PAGE_TOKENS, shape.kv_heads, shape.head_width)
    q = numbers(rows, new, shape.heads, shape.head_width)
    return Case(q, numbers(*cells), numbers(*cells), past.to(shape.device), table.to(shape.device))


def attempt(name: str, compute: Compute, cases: Iterable[Case]) -> Trial:
    """Try a way on cases, the first of which is timed."""
    worst, step_ms = 0.0, 0.0
    try:
        for number, given in enumerate(cases):
            apart = (given.by(compute).float() - given.by(reference).float()).abs().max()
            worst = float(torch.maximum(apart.cpu(), torch.tensor(worst)))  # which keeps what is no number
            if number == 0:
                step_ms = milliseconds(lambda given=given: given.by(compute), given.q.device)  # type: ignore[misc]
    except Exception as error:  # kernels refuse in many ways; a way that raises is not used
        said = str(error).splitlines()[:1]
        return Trial(name, refused=": ".join((type(error).__name__, *said))[:120])
    if not worst <= TOLERANCE:
        return Trial(name, difference=worst, refused=f"differs from the definition by {worst:.3g}")
    return Trial(name, difference=worst, step_ms=step_ms)


def choose(shape: Shape, ways: Mapping[str, Compute] = WAYS) -> tuple[str, Compute, tuple[Trial, ...]]:
    """The fastest way that is right, by name, and how all did. Raises RuntimeError when none is right."""
    cases = [case(shape, _ROWS, new, _LONGEST, seed=new) for new in (1, _PREFILL_TOKENS)]
    trials = tuple(attempt(name, compute, cases) for name, compute in ways.items())
    right = [trial for trial in trials if not trial.refused]
    if not right:
        raise RuntimeError("; ".join(f"{trial.name}: {trial.refused}" for trial in trials))
    best = min(right, key=lambda trial: trial.step_ms)
    return best.name, ways[best.name], trials


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """Of one call, after three to warm up."""
    for _ in range(3):
        work()
    _wait(device)
    since = time.perf_counter()
    for _ in range(_ROUNDS):
        work()
    _wait(device)
    return (time.perf_counter() - since) * 1000 / _ROUNDS


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
