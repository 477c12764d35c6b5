"""ExLlamaV2's layers against plain ones in float32: the same folder, the same tokens."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.gpu_check.models import SMALL, shape_folder
from bench.gpu_check.target import Figures, Target
from engine.backends.paged.model_folder import read_folder
from engine.backends.paged.network import lay_out
from engine.backends.paged.reference_network import ReferenceNetwork
from engine.backends.paged.sizes import fit
from engine.errors import ModelFileError

QUANTISED = ("q8", "q6", "q4")
MOST = 0.02
"""Of the largest logit: what half precision may differ by through a small model's layers."""


def agreement(target: Target, folder: Path) -> Figures:
    """Largest difference of logits over prompts that lie in two pages. Raises SystemExit above `MOST`."""
    if target.reference:
        return {"left_out": "the reference is what is compared with"}
    from engine.backends.exllamav2.network import open_network

    path = shape_folder(folder, SMALL)
    file, described = target.file(path, 4), read_folder(path)
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
    if not worst <= MOST:
        raise SystemExit(f"logits differ by {worst:.4f} of the largest")
    return {
        "largest_relative_difference": worst,
        **{f"cache_{name}": _with_cache(target, folder, name) for name in QUANTISED},
    }


def _with_cache(target: Target, folder: Path, cache: str) -> str:
    """How far logits move with a quantised cache, or why the library refuses it for so small a model."""
    from engine.backends.exllamav2.network import open_network

    path = shape_folder(folder, SMALL)
    described = read_folder(path)
    logits = []
    for name in ("fp16", cache):
        file = target.file(path, 4)
        options = msgspec.structs.replace(file.options, extra={"kv_cache": name})
        file = msgspec.structs.replace(file, options=options)
        try:
            network = open_network(file, described, fit(file, described, 1 << 30))
        except ModelFileError as error:
            return f"refused: {error.message}"
        for start in (0, 200):
            tokens = [(7 + at) % 500 for at in range(start, start + 200)]
            found = network.forward(lay_out([(tokens, start, (1, 5))])).cpu()
        logits.append(found)
        network.close()
    plain, quantised = logits
    return f"differs by {float((plain - quantised).abs().max() / plain.abs().max()):.2g} of the largest logit"
