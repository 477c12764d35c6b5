"""What is checked: ExLlamaV2 on the GPU, or in its place the reference, so that the check itself can be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from msgspec.structs import replace

from engine.backends.paged.attention_choice import Shape
from engine.backends.paged.limited_network import LimitedNetwork
from engine.contracts import Backend
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile, ModelOptions
from engine.testing import paged_reference
from workflows.mini.model_file import ModelShape

REFERENCE_MODULE = "exllamav2=engine.testing.paged_reference"
_PIECE_BYTES = 8 << 20
TINY = ModelShape(width=64, layers=2, heads=4, kv_heads=2, feed_forward=128, context_tokens=2048)


@dataclass(frozen=True)
class Target:
    """How much is asked, and of what; less of the reference, which is slow and shows no rates."""

    reference: bool

    @property
    def heads(self) -> Shape:
        """Attention of an 8B model, or a small one."""
        if self.reference:
            return Shape(4, 2, 16, torch.float32, torch.device("cpu"))
        return Shape(32, 8, 128, torch.float16, torch.device("cuda:0"))

    @property
    def queries(self) -> int:
        """Queries answered together."""
        return 4 if self.reference else 64

    @property
    def decoded(self) -> int:
        """Tokens of each answer."""
        return 8 if self.reference else 128

    def open(self, path: Path, slots: int, **options: int) -> Backend:
        """A folder loaded in this process. Raises ModelFileError."""
        file = self.file(path, slots, **options)
        if self.reference:
            return paged_reference.load_backend(file, 0)
        from engine.backends.exllamav2 import open_exllamav2

        return open_exllamav2(file, 0)

    def open_short_of_memory(self, path: Path, slots: int) -> tuple[Backend, Shortage]:
        """A loaded folder, and what takes memory away from it."""
        if not self.reference:
            return self.open(path, slots), TakenMemory()
        backend, network = paged_reference.load_limited(self.file(path, slots), 0, None)
        return backend, LimitedTokens(network)

    def file(self, path: Path, slots: int, **options: int) -> ModelFile:
        """The folder as a model to load; `options` are of `ModelOptions`."""
        chosen = replace(ModelOptions(slots=slots, threads=1, context_tokens=2048), **options)
        return ModelFile(name=ModelName("check"), backend="exllamav2", path=str(path), options=chosen)

    def free_bytes(self) -> int | None:
        """Free memory of the device; None where there is none."""
        return None if self.reference else int(torch.cuda.mem_get_info(0)[0])


class Shortage(Protocol):
    """Takes memory away from a loaded backend, level by level, and gives it back."""

    levels: tuple[int, ...]

    def take(self, level: int) -> None:
        """Leave as much as the level says."""

    def give_back(self) -> None:
        """Everything is free again."""

    def met(self) -> int:
        """How often the device was out of memory so far."""


class TakenMemory:
    """On a GPU: all but `level` MiB is held by a tensor of this process."""

    levels: tuple[int, ...] = (256, 64, 16, 4)

    def __init__(self) -> None:
        self._held: torch.Tensor | None = None

    def take(self, level: int) -> None:
        self.give_back()
        size = torch.cuda.mem_get_info(0)[0] - (level << 20)
        while size > 0 and self._held is None:
            with suppress(torch.OutOfMemoryError):  # what is free need not be in one piece
                self._held = torch.empty(size, dtype=torch.uint8, device="cuda:0")
            size -= _PIECE_BYTES

    def give_back(self) -> None:
        self._held = None
        torch.cuda.empty_cache()

    def met(self) -> int:
        return int(torch.cuda.memory_stats(0)["num_ooms"])


class LimitedTokens:
    """Of the reference: a batch may hold `level` tokens."""

    levels: tuple[int, ...] = (100, 20, 1)

    def __init__(self, network: LimitedNetwork) -> None:
        self._network = network

    def take(self, level: int) -> None:
        self._network.most_tokens = level

    def give_back(self) -> None:
        self._network.most_tokens = None

    def met(self) -> int:
        return len(self._network.refused)


Figures = dict[str, object]
StepFunction = Callable[..., Figures]
