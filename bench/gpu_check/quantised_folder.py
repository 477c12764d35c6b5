"""A folder's weights in 4 bits, in ExLlamaV2's own format (EXL2), and what they come to in 16 bits again.

Rounded to nearest, without the library's converter, which takes minutes: good for nothing but for asking
whether quantised layers compute what their weights say. The format is that of exllamav2 0.3.2.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors.torch import load_file, save_file

Tensor: TypeAlias = torch.Tensor
GROUP_ROWS = 128
"""Rows of a matrix, in the order they are kept in, that share a largest scale."""

_BITS = 4
_PER_WORD = 32 // _BITS
_ZERO = 1 << (_BITS - 1)
_STEPS = 16
_COLUMNS = 32
"""Columns are filled up to a multiple of this."""


def write_quantised(source: Path, packed: Path, restored: Path) -> None:
    """Write `source` with its projections and its head quantised, and a third folder with them restored.

    Raises ValueError for a matrix whose rows make no whole groups.
    """
    for folder in (packed, restored):
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    for file in sorted(source.glob("*.safetensors")):
        in_bits: dict[str, Tensor] = {}
        in_full: dict[str, Tensor] = {}
        for name, weight in load_file(file).items():
            if not name.endswith(("_proj.weight", "lm_head.weight")):
                in_bits[name] = in_full[name] = weight
                continue
            stored, in_full[name] = quantise(weight)
            key = name.removesuffix(".weight")
            in_bits |= {f"{key}.{part}": values for part, values in stored.items()}
        save_file(in_bits, packed / file.name, metadata={"format": "pt"})
        save_file(in_full, restored / file.name, metadata={"format": "pt"})
    config = json.loads((packed / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "exl2", "bits": float(_BITS), "version": "0.3.2"}
    (packed / "config.json").write_text(json.dumps(config))


def quantise(weight: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Tensors of a matrix (outputs, inputs) as they are stored, and the matrix they stand for, in float16."""
    outputs, inputs = weight.shape
    if inputs % GROUP_ROWS:
        raise ValueError(f"{inputs} rows are no multiple of {GROUP_ROWS}")
    order = torch.randperm(inputs, generator=torch.Generator().manual_seed(inputs))
    filled = torch.nn.functional.pad(weight.float(), (0, 0, 0, -outputs % _COLUMNS))
    groups = filled.T[order].reshape(inputs // GROUP_ROWS, GROUP_ROWS, -1)
    largest = groups.abs().amax(dim=1)
    scale_max = (largest.amax(dim=1, keepdim=True) / (_ZERO - 1)).half()
    share = largest / (_ZERO - 1) / scale_max.float()
    steps = (share.sqrt() * _STEPS).ceil().clamp(1, _STEPS)
    # Multiplied in the library's order, each product in half precision.
    scales = ((steps * steps).half() * (scale_max * (1 / _STEPS**2)))[:, None]
    numbers = (groups / scales.float() + _ZERO).round().clamp(0, 2 * _ZERO - 1)
    values = torch.empty(inputs, filled.shape[0], dtype=torch.float16)
    values[order] = ((numbers - _ZERO).half() * scales).reshape(inputs, -1)
    words = GROUP_ROWS // _PER_WORD
    starts = [[_BITS, group * words] for group in range(len(groups))]
    stored = {
        "q_weight": _packed(numbers.reshape(inputs // _PER_WORD, _PER_WORD, -1), dim=1),
        "q_scale": _packed((steps - 1).reshape(len(groups), -1, _PER_WORD), dim=2),
        "q_scale_max": scale_max.flatten(),
        "q_groups": torch.tensor(starts, dtype=torch.int16).flatten(),
        "q_invperm": order.argsort().int(),
    }
    return stored, values.T[:outputs].contiguous()


def _packed(numbers: Tensor, dim: int) -> Tensor:
    """Whole numbers along a dimension as one word of 32 bits each, the first in its lowest bits."""
    shifts = torch.arange(_PER_WORD) * _BITS
    shape = [1] * numbers.dim()
    shape[dim] = _PER_WORD
    words = (numbers.long() << shifts.view(shape)).sum(dim=dim)
    return (words - ((words >> 31) << 32)).int().contiguous()
