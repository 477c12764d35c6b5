"""The embedded model: its vocabulary covers any text, and its file is reproducible and written atomically."""

from __future__ import annotations

import gguf
import pytest

from workflows.mini.build import build_model, main
from workflows.mini.model_file import ModelShape
from workflows.mini.vocabulary import load_vocabulary

TINY = ModelShape(width=64, layers=1, heads=2, kv_heads=1, feed_forward=64, context_tokens=256)


def test_vocabulary_holds_every_byte_and_its_control_tokens():
    vocabulary = load_vocabulary()
    assert len(vocabulary.tokens) == len(set(vocabulary.tokens)) == 4096
    assert (
        set(vocabulary.control) == {"<|endoftext|>", "<|im_start|>", "<|im_end|>"} <= set(vocabulary.tokens)
    )
    assert sum(len(token) == 1 for token in vocabulary.tokens) == 256
    assert all("".join(merge.split(" ")) in vocabulary.tokens for merge in vocabulary.merges)


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path):
    first = build_model(tmp_path / "a.gguf", shape=TINY, seed=1).read_bytes()
    assert build_model(tmp_path / "b.gguf", shape=TINY, seed=1).read_bytes() == first
    assert build_model(tmp_path / "c.gguf", shape=TINY, seed=2).read_bytes() != first


def test_file_names_its_control_tokens_and_template(tmp_path):
    reader = gguf.GGUFReader(build_model(tmp_path / "m.gguf", shape=TINY, precision="f16"))
    kinds = reader.fields["tokenizer.ggml.token_type"]
    control = [i for i, part in enumerate(kinds.data) if kinds.parts[part][0] == gguf.TokenType.CONTROL]
    assert control == [0, 1, 2]
    assert "<|im_start|>" in reader.fields["tokenizer.chat_template"].contents()


def test_failed_build_leaves_nothing_behind(tmp_path, monkeypatch):
    def refuse(*_args: object, **_keywords: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(gguf.GGUFWriter, "write_header_to_file", refuse)
    with pytest.raises(OSError, match="disk full"):
        build_model(tmp_path / "m.gguf", shape=TINY)
    assert list(tmp_path.iterdir()) == []


def test_impossible_shape_is_refused_before_writing(tmp_path):
    with pytest.raises(ValueError, match="heads must divide"):
        build_model(
            tmp_path / "m.gguf",
            shape=ModelShape(width=64, layers=1, heads=3, kv_heads=1, feed_forward=64),
        )
    assert list(tmp_path.iterdir()) == []


def test_command_line_builds_the_small_size(tmp_path, capsys):
    assert main([str(tmp_path / "s.gguf"), "--size", "s"]) == 0
    assert "3,4" in capsys.readouterr().out
