"""A model folder as Hugging Face's libraries write it, read without any of them: config, weights, digest.

The files are untrusted: sizes and offsets are checked against the files before a library maps them, and
nothing but safetensors is taken for weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.backends.gguf_file import file_sha256
from engine.errors import ModelFileError
from engine.ir.ids import Record

_MOST_HEADER_BYTES = 64 << 20
_MOST_JSON_BYTES = 64 << 20
_WEIGHTS = "*.safetensors"


class ModelConfig(Record, frozen=True, kw_only=True):
    """What config.json says of a network's shape. `quantised`: weights are EXL2 or GPTQ."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    width: int
    feed_forward: int
    vocabulary_size: int
    context_tokens: int
    norm_epsilon: float
    rope_base: float
    quantised: bool


class ModelFolder(Record, frozen=True, kw_only=True):
    """A checked folder. `weight_bytes` is what all tensors take, as stored."""

    path: str
    config: ModelConfig
    weight_files: tuple[str, ...]
    weight_bytes: int


def read_folder(path: str | Path) -> ModelFolder:
    """Check a folder's config and the headers of its weights.

    Raises ModelFileError with file and field for what is missing or cannot be.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is not a folder", fix="exl2 names a folder with config.json in it")
    config = _config(folder / "config.json")
    files = tuple(sorted(folder.glob(_WEIGHTS)))
    if not files:
        raise ModelFileError(
            f"{folder} holds no *.safetensors", fix="other formats of weights are not loaded"
        )
    weights = sum(_tensor_bytes(file) for file in files)
    return ModelFolder(
        path=str(folder), config=config, weight_files=tuple(map(str, files)), weight_bytes=weights
    )


def folder_sha256(path: str | Path) -> str:
    """Digest of a folder: of the names and contents of all its files. Raises ModelFileError.

    Files are read side by side: weights come in several, of gigabytes each.
    """
    folder = Path(path)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    whole = hashlib.sha256()
    with ThreadPoolExecutor(max_workers=8) as readers:
        for file, digest in zip(files, readers.map(file_sha256, files), strict=True):
            whole.update(f"{file.relative_to(folder)}\0{digest}\n".encode())
    return whole.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the folder. Raises ModelFileError."""
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise ModelFileError(f"{path} is too large to be read")
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} is not a JSON object")
    return value


def _config(path: Path) -> ModelConfig:
    value = read_json(path)
    heads = _count(path, value, "num_attention_heads")
    width = _count(path, value, "hidden_size")
    architectures = value.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else ""
    return ModelConfig(
        architecture=str(named),
        layers=_count(path, value, "num_hidden_layers"),
        heads=heads,
        kv_heads=_count(path, value, "num_key_value_heads", heads),
        head_width=_count(path, value, "head_dim", max(1, width // heads)),
        width=width,
        feed_forward=_count(path, value, "intermediate_size", 4 * width),
        vocabulary_size=_count(path, value, "vocab_size"),
        context_tokens=_count(path, value, "max_position_embeddings", 2048),
        norm_epsilon=_number(path, value, "rms_norm_eps", 1e-6),
        rope_base=_number(path, value, "rope_theta", 10000.0),
        quantised=isinstance(value.get("quantization_config"), dict),
    )


def _count(path: Path, value: Mapping[str, Any], name: str, default: int | None = None) -> int:
    found = value.get(name)
    if found is None and default is not None:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found < 1 << 31:
        raise ModelFileError(f"{path}: {name} is {found!r}, not a positive whole number")
    return found


def _number(path: Path, value: Mapping[str, Any], name: str, default: float) -> float:
    found = value.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
        raise ModelFileError(f"{path}: {name} is {found!r}, not a positive number")
    return float(found)


def _tensor_bytes(path: Path) -> int:
    """Bytes of a safetensors file's tensors, after checking that each lies within the file."""
    try:
        with open(path, "rb") as file:
            room = os.fstat(file.fileno()).st_size - 8
            length = int.from_bytes(file.read(8), "little")
            if length > min(room, _MOST_HEADER_BYTES):
                raise ModelFileError(f"{path}: a header of {length} bytes does not fit into the file")
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise ModelFileError(f"{path}: the header is not a JSON object")
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    return sum(_extent(path, name, entry, room - length) for name, entry in tensors.items())


def _extent(path: Path, name: str, entry: Any, room: int) -> int:
    place = entry.get("data_offsets") if isinstance(entry, dict) else None
    match place:
        case [int(start), int(end)] if 0 <= start <= end <= room:
            return end - start
        case _:
            raise ModelFileError(f"{path}: tensor {name[:80]!r} does not lie within the file")
