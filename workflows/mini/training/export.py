"""Trained weights as a GGUF file and as a Hugging Face folder.

python -m workflows.mini.training.export CHECKPOINT --gguf OUT.gguf --precision q8_0 --folder OUT
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from torch import Tensor

from workflows.mini.model_file import NORM_EPSILON, ROPE_BASE, ModelShape, Precision, write_model
from workflows.mini.training.checkpoint import load_network
from workflows.mini.training.network import Network
from workflows.mini.training.tokenizer import load_tokenizer
from workflows.mini.vocabulary import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, load_vocabulary

Array = np.ndarray[Any, Any]

_PARTS = {
    "attn_norm": ("input_layernorm", "attention_norm"),
    "attn_q": ("self_attn.q_proj", "query"),
    "attn_k": ("self_attn.k_proj", "key"),
    "attn_v": ("self_attn.v_proj", "value"),
    "attn_output": ("self_attn.o_proj", "attention_out"),
    "ffn_norm": ("post_attention_layernorm", "feed_norm"),
    "ffn_gate": ("mlp.gate_proj", "gate"),
    "ffn_up": ("mlp.up_proj", "up"),
    "ffn_down": ("mlp.down_proj", "down"),
}
"""Name in GGUF → names in the Hugging Face layout and here, within a layer."""


def write_gguf(
    network: Network, path: Path, *, precision: Precision = "q8_0", name: str = "haloctl-mini"
) -> Path:
    """Write the model for llama.cpp. Raises OSError when the file cannot be written."""
    return write_model(path, network.shape, _gguf_tensors(network), name=name, precision=precision)


def write_folder(network: Network, folder: Path) -> Path:
    """Write safetensors (float16), config and tokenizer as Hugging Face and ExLlamaV2 read them."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: values.astype(np.float16) for name, values in _folder_tensors(network)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # the library writes for the owner alone
    vocabulary = load_vocabulary()
    end_of_text, end_of_turn = (vocabulary.tokens.index(token) for token in (END_OF_TEXT, END_OF_TURN))
    _write_json(
        folder / "config.json", _config(network.shape, len(vocabulary.tokens), end_of_text, end_of_turn)
    )
    _write_json(
        folder / "generation_config.json",
        {"bos_token_id": end_of_text, "eos_token_id": end_of_turn, "pad_token_id": end_of_text},
    )
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(network.shape))
    load_tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    return folder


def _gguf_tensors(network: Network) -> Iterator[tuple[str, Array]]:
    yield "token_embd.weight", _array(network.embedding.weight)
    for index in range(network.shape.layers):
        weights = _layer(network, index)
        for name, (_, part) in _PARTS.items():
            yield f"blk.{index}.{name}.weight", weights[part]
    yield "output_norm.weight", _array(network.norm.weight)


def _folder_tensors(network: Network) -> Iterator[tuple[str, Array]]:
    yield "model.embed_tokens.weight", _array(network.embedding.weight)
    for index in range(network.shape.layers):
        weights = _layer(network, index)
        for name, part in _PARTS.values():
            values = weights[part]
            if part in ("query", "key"):
                values = _halves(values, network.shape.head_width)
            yield f"model.layers.{index}.{name}.weight", np.ascontiguousarray(values)
    yield "model.norm.weight", _array(network.norm.weight)
    # Readers that know no shared embedding look for this one.
    yield "lm_head.weight", _array(network.embedding.weight)


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


def _halves(values: Array, head_width: int) -> Array:
    """Rows of each head reordered: first the even, then the odd components, as rotations by halves expect."""
    heads = values.reshape(-1, head_width // 2, 2, values.shape[1])
    return heads.swapaxes(1, 2).reshape(values.shape)


def _array(weight: Tensor) -> Array:
    values: Array = weight.detach().float().cpu().numpy()
    return np.ascontiguousarray(values)


def _config(shape: ModelShape, tokens: int, end_of_text: int, end_of_turn: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_width,
        "max_position_embeddings": shape.context_tokens,
        "vocab_size": tokens,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_BASE,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_turn,
        "pad_token_id": end_of_text,
        "torch_dtype": "float16",
    }


def _tokenizer_config(shape: ModelShape) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": CHAT_TEMPLATE,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": shape.context_tokens,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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
