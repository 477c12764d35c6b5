"""A model file as the folder that Hugging Face's libraries and ExLlamaV2 read: the same weights, other names.

python -m workflows.mini.folder workflows/mini/haloctl-mini.gguf FOLDER
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import save_file

from workflows.mini.model_file import NORM_EPSILON, ROPE_BASE, ModelShape
from workflows.mini.tokenizer import load_tokenizer
from workflows.mini.vocabulary import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, load_vocabulary

Array = np.ndarray[Any, Any]

_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Name in GGUF → name in the Hugging Face layout, within a layer."""


def folder_of_file(path: Path, folder: Path) -> Path:
    """Write the folder of a GGUF file of ours. Raises OSError when it cannot be read or written."""
    reader = gguf.GGUFReader(path)
    tensors = {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in reader.tensors
    }

    def number(key: str) -> int:
        return int(reader.fields[f"llama.{key}"].contents())

    shape = ModelShape(
        width=number("embedding_length"),
        layers=number("block_count"),
        heads=number("attention.head_count"),
        kv_heads=number("attention.head_count_kv"),
        feed_forward=number("feed_forward_length"),
        context_tokens=number("context_length"),
    )
    return folder_of_tensors(shape, tensors, folder)


def folder_of_tensors(shape: ModelShape, tensors: Mapping[str, Array], folder: Path) -> Path:
    """Write safetensors (float16), config and tokenizer; `tensors` has llama.cpp's names."""
    folder.mkdir(parents=True, exist_ok=True)
    renamed = {name: values.astype(np.float16) for name, values in _renamed(shape, tensors)}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # the library writes for the owner alone
    return describe(shape, folder)


def describe(shape: ModelShape, folder: Path, rows: int | None = None) -> Path:
    """Write config and tokenizer beside weights; `rows` of the embedding, where it has more than tokens."""
    vocabulary = load_vocabulary()
    end_of_text, end_of_turn = (vocabulary.tokens.index(token) for token in (END_OF_TEXT, END_OF_TURN))
    config = _config(shape, rows or len(vocabulary.tokens), end_of_text, end_of_turn)
    _write_json(folder / "config.json", config)
    _write_json(
        folder / "generation_config.json",
        {"bos_token_id": end_of_text, "eos_token_id": end_of_turn, "pad_token_id": end_of_text},
    )
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(shape))
    load_tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    return folder


def _renamed(shape: ModelShape, tensors: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    yield "model.embed_tokens.weight", tensors["token_embd.weight"]
    for index in range(shape.layers):
        for name, renamed in _PARTS.items():
            values = tensors[f"blk.{index}.{name}.weight"]
            if name in ("attn_q", "attn_k"):
                values = _halves(values, shape.head_width)
            yield f"model.layers.{index}.{renamed}.weight", np.ascontiguousarray(values)
    yield "model.norm.weight", tensors["output_norm.weight"]
    # Readers that know no shared embedding look for this one.
    yield "lm_head.weight", tensors["token_embd.weight"]


def _halves(values: Array, head_width: int) -> Array:
    """Rows of each head reordered: first the even, then the odd components, as rotations by halves expect."""
    heads = values.reshape(-1, head_width // 2, 2, values.shape[1])
    return heads.swapaxes(1, 2).reshape(values.shape)


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
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m workflows.mini.folder", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{folder_of_file(options.model, options.folder)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
