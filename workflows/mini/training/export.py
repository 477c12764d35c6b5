"""Trained weights as a GGUF file and as a Hugging Face folder.

python -m workflows.mini.training.export CHECKPOINT --gguf OUT.gguf --precision q8_0 --folder OUT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from workflows.mini.folder import folder_of_tensors
from workflows.mini.model_file import Precision, write_model
from workflows.mini.training.checkpoint import load_network
from workflows.mini.training.network import Network

Array = np.ndarray[Any, Any]

_PARTS = {
    "attn_norm": "attention_norm",
    "attn_q": "query",
    "attn_k": "key",
    "attn_v": "value",
    "attn_output": "attention_out",
    "ffn_norm": "feed_norm",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
}
"""Name in GGUF → name here, within a layer."""


def write_gguf(
    network: Network, path: Path, *, precision: Precision = "q8_0", name: str = "haloctl-mini"
) -> Path:
    """Write the model for llama.cpp. Raises OSError when the file cannot be written."""
    return write_model(path, network.shape, _gguf_tensors(network), name=name, precision=precision)


def write_folder(network: Network, folder: Path) -> Path:
    """Write the model as Hugging Face and ExLlamaV2 read it."""
    return folder_of_tensors(network.shape, dict(_gguf_tensors(network)), folder)


def _gguf_tensors(network: Network) -> Iterator[tuple[str, Array]]:
    yield "token_embd.weight", _array(network.embedding.weight)
    for index in range(network.shape.layers):
        weights = _layer(network, index)
        for name, part in _PARTS.items():
            yield f"blk.{index}.{name}.weight", weights[part]
    yield "output_norm.weight", _array(network.norm.weight)


def _layer(network: Network, index: int) -> dict[str, Array]:
    """One layer's weights, fused ones taken apart."""
    block, shape = network.blocks[index], network.shape
    kv_width = shape.kv_heads * shape.head_width
    query, key, value = block.query_key_value.weight.split((shape.width, kv_width, kv_width))
    gate, up = block.gate_up.weight.chunk(2)
    parts = {"query": query, "key": key, "value": value, "gate": gate, "up": up}
    for name in ("attention_norm", "attention_out", "feed_norm", "down"):
        parts[name] = getattr(block, name).weight
    return {name: _array(weight) for name, weight in parts.items()}


def _array(weight: Tensor) -> Array:
    values: Array = weight.detach().float().cpu().numpy()
    return np.ascontiguousarray(values)


def main(arguments: list[str] | None = None) -> int:
    """Command line: write what was asked for and say so."""
    parser = argparse.ArgumentParser(prog="python -m workflows.mini.training.export", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--precision", choices=("q8_0", "f16", "f32"), default="q8_0")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(arguments)
    network = load_network(options.checkpoint)
    if options.gguf:
        path = write_gguf(network, options.gguf, precision=options.precision)
        sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes\n")
    if options.folder:
        sys.stdout.write(f"{write_folder(network, options.folder)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
