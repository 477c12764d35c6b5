"""ExLlamaV2's layers against plain ones in float32: the same folder, the same tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import torch

from bench.gpu_check.models import LAYERS, shape_folder
from bench.gpu_check.quantised_folder import write_quantised
from bench.gpu_check.target import Figures, Target
from engine.backends.paged.model_folder import ModelFolder, read_folder
from engine.backends.paged.network import Batch, Network, lay_out
from engine.backends.paged.reference_network import ReferenceNetwork
from engine.backends.paged.sizes import CACHE_BITS, Sizes, fit
from engine.ir.request import ModelFile

MOST = {"fp16": 0.02, "exl2": 0.05, "q8": 0.1, "q6": 0.5, "q4": 0.5}
"""Of the largest logit, what weights or a cache in this form may differ by: half precision by little, 4 bits
of random keys and values by a quarter. Pages or scales that are mixed up come to more than half.
"""

_PAST = (0, 200)
_TOKENS = 200
_THREADS = 4


def agreement(target: Target, folder: Path) -> Figures:
    """Largest differences of logits over prompts that lie in two pages, of weights in 16 and in 4 bits and of
    quantised caches. Raises SystemExit above what is allowed, ModelFileError for what cannot be loaded.
    """
    if target.reference:
        return {"left_out": "the reference is what is compared with"}
    plain = shape_folder(folder, LAYERS)
    packed, restored = folder / "quantised" / "exl2", folder / "quantised" / "fp16"
    write_quantised(plain, packed, restored)
    found: Figures = {}
    expected = {plain: by_definition(target, plain), packed: by_definition(target, restored)}
    for form, most in MOST.items():
        path = packed if form == "exl2" else plain
        worst = _difference(target, path, form if form in CACHE_BITS else "fp16", expected[path])
        if not worst <= most:
            raise SystemExit(f"{form}: logits differ by {worst:.4f} of the largest; others: {found}")
        found[f"{form}_differs_by"] = worst
    return found


def _difference(target: Target, path: Path, cache: str, expected: tuple[torch.Tensor, ...]) -> float:
    """Of ExLlamaV2 over a folder to what is expected."""
    from engine.backends.exllamav2.network import open_network

    network = open_network(*loaded_as(target, path, cache))
    try:
        return largest_difference(network, expected)
    finally:
        network.close()


def loaded_as(target: Target, path: Path, cache: str) -> tuple[ModelFile, ModelFolder, Sizes]:
    """What a network over this folder is opened with."""
    file, described = target.file(path, 4), read_folder(path)
    options = msgspec.structs.replace(file.options, extra={"kv_cache": cache})
    file = msgspec.structs.replace(file, options=options)
    return file, described, fit(file, described, 2 << 30)


def by_definition(target: Target, path: Path) -> tuple[torch.Tensor, ...]:
    """Logits after every batch, by plain layers in float32."""
    _, described, sizes = loaded_as(target, path, "fp16")
    network = ReferenceNetwork(described, sizes.pages, _THREADS)
    return tuple(network.forward(batch) for batch in batches())


def largest_difference(network: Network, expected: Iterable[torch.Tensor]) -> float:
    """Over all batches, as a share of the largest logit; what is no number counts as the largest."""
    worst = torch.tensor(0.0)
    for batch, logits in zip(batches(), expected, strict=True):
        apart = (network.forward(batch).cpu() - logits).abs().max()
        worst = torch.maximum(worst, apart / logits.abs().max())
    return float(worst)


def batches() -> Iterator[Batch]:
    """Prompts in two steps, then a token each: of three sequences together, then of one alone whose pages
    follow each other, which ExLlamaV2 writes in another way.
    """
    for held in (((1, 5), (2, 6), (3, 7)), ((8, 9),)):
        for start in _PAST:
            yield _batch(held, start, _TOKENS)
        yield _batch(held, sum(_PAST) + _TOKENS, 1)


def _batch(held: tuple[tuple[int, ...], ...], start: int, count: int) -> Batch:
    places = range(start, start + count)
    return lay_out(
        [([(7 * row + at) % 500 for at in places], start, pages) for row, pages in enumerate(held)]
    )
