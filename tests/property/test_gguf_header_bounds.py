"""A damaged model file is refused with a reason or still valid: no crash, no hang, no huge allocation."""

from __future__ import annotations

import struct
import tracemalloc
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.backends.gguf_file import file_sha256, is_gguf, validate_gguf
from engine.backends.gguf_header import MalformedHeader, parse_header
from engine.errors import ModelFileError
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

TINY = ModelShape(width=64, layers=1, heads=2, kv_heads=1, feed_forward=64, context_tokens=256)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf", shape=TINY)


@pytest.fixture(scope="module")
def header(model):
    """The file's header without its tensor data, and the file's whole size."""
    data = model.read_bytes()
    end = parse_header(BytesIO(data), len(data)).data_start
    return data[:end], len(data)


def test_summary_of_a_valid_file(model):
    summary = validate_gguf(model)
    assert is_gguf(model)
    assert (summary.architecture, summary.context_tokens, summary.layers) == ("llama", 256, 1)
    assert summary.vocabulary == 4096
    assert summary.kv_bytes_per_token == 2 * 1 * (32 + 32)
    assert summary.parameters == 4096 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 64 + 3 * 64
    assert summary.has_chat_template
    assert summary.tensor_bytes < summary.file_bytes == model.stat().st_size


def test_digest_follows_the_content(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"abc")
    first = file_sha256(path)
    assert first == file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"abcd")
    assert file_sha256(path) != first


def test_missing_file_is_a_model_file_error(tmp_path):
    with pytest.raises(ModelFileError, match="No such file"):
        validate_gguf(tmp_path / "none.gguf")


@settings(max_examples=40, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_truncation_is_refused(header, data):
    whole, size = header
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(MalformedHeader):
        parse_header(BytesIO(whole[:length]), length)
    with pytest.raises(MalformedHeader, match="ends at byte"):
        parse_header(BytesIO(whole), data.draw(st.integers(len(whole), size - 33)))


@settings(max_examples=40, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_never_crash_or_allocate_wildly(header, data):
    whole, size = header
    damaged = bytearray(whole)
    interesting = st.integers(0, 1200) | st.integers(len(whole) - 1200, len(whole) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(interesting | st.integers(0, len(whole) - 1))
        damaged[place] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
    error = None
    tracemalloc.start()
    try:
        parse_header(BytesIO(bytes(damaged)), size)
    except MalformedHeader as refused:
        error = refused
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert error is None or (0 <= error.offset <= size and error.reason)
    assert peak < 16 * len(whole) + (4 << 20)


def _file(tensors: int = 0, keys: int = 0, body: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + body


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _tensor(name: bytes, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return (
        _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape) + struct.pack("<IQ", kind, offset)
    )


KEY = _text(b"k")
PAD = bytes(4096)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GGML" + bytes(20), "not a GGUF file"),
        (_file(version=1), "unknown version 1"),
        (_file(version=0x03000000), "big-endian"),
        (_file(tensors=1 << 40), "tensor count"),
        (_file(keys=1 << 63), "key count"),
        (_file(keys=60_000, body=PAD), "does not fit"),
        (_file(keys=1, body=struct.pack("<Q", 1 << 62) + PAD), "limit is"),
        (_file(keys=1, body=struct.pack("<Q", 5000) + PAD), "bytes are left|are left"),
        (_file(keys=1, body=_text(b"\xff\xfe") + PAD), "not UTF-8"),
        (_file(keys=1, body=KEY + struct.pack("<I", 77) + PAD), "unknown type 77"),
        (_file(keys=1, body=KEY + struct.pack("<IB", 7, 9) + PAD), "boolean of value 9"),
        (_file(keys=1, body=KEY + struct.pack("<IIQ", 9, 9, 1) + PAD), "nested"),
        (_file(keys=1, body=KEY + struct.pack("<IIQ", 9, 4, 1 << 60) + PAD), "elements"),
        (_file(keys=1, body=KEY + struct.pack("<IIQQ", 9, 8, 1, 1 << 50) + PAD), "announces"),
        (_file(keys=2, body=(KEY + struct.pack("<II", 4, 0)) * 2), "occurs twice"),
        (_file(tensors=1, body=_tensor(b"t", (1,) * 5, 0, 0) + PAD), "5 dimensions"),
        (_file(tensors=1, body=_tensor(b"t", (1 << 40, 1 << 40), 0, 0) + PAD), "impossible shape"),
        (_file(tensors=1, body=_tensor(b"t", (0,), 0, 0) + PAD), "impossible shape"),
        (_file(tensors=1, body=_tensor(b"t", (1 << 30,), 0, 0) + PAD), "ends at byte"),
        (_file(tensors=1, body=_tensor(b"t", (33,), 8, 0) + PAD), "whole blocks"),
        (_file(tensors=1, body=_tensor(b"t", (32,), 99, 0) + PAD), "unknown type 99"),
        (_file(tensors=1, body=_tensor(b"t", (32,), 0, 7) + PAD), "not aligned"),
        (_file(tensors=2, body=_tensor(b"t", (32,), 0, 0) * 2 + PAD), "same name"),
        (_file(tensors=2, body=_tensor(b"t", (32,), 0, 0) + _tensor(b"u", (8,), 0, 64) + PAD), "overlaps"),
    ],
)
def test_each_lie_is_named(data, reason):
    with pytest.raises(MalformedHeader, match=reason):
        parse_header(BytesIO(data), len(data))


def test_split_models_are_refused(tmp_path):
    path = tmp_path / "split.gguf"
    path.write_bytes(_file(keys=1, body=_text(b"split.count") + struct.pack("<IH", 2, 3)))
    with pytest.raises(ModelFileError, match="split over several files"):
        validate_gguf(path)
