"""Model folders: what their config and headers say, what does not fit, and tokens equal to llama.cpp's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("safetensors", reason="safetensors is not installed")

from engine.backends.paged.model_folder import folder_sha256, read_folder
from engine.backends.paged.pages import PAGE_TOKENS
from engine.backends.paged.sizes import (
    COPIED_BYTES,
    MASKED_BYTES,
    fit,
    gathered_bytes,
    kv_bytes_per_token,
    working_bytes,
)
from engine.backends.paged.vocabulary import FolderVocabulary
from engine.backends.registry import count_tokens
from engine.errors import ModelFileError
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile, ModelOptions
from engine.worker.footprint import estimate_bytes
from haloctl.digests import DigestBook
from workflows.mini.build import build_model
from workflows.mini.folder import folder_of_file
from workflows.mini.model_file import ModelShape

TINY = ModelShape(width=64, layers=2, heads=4, kv_heads=2, feed_forward=64, context_tokens=2048)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same model as a file and as a folder."""
    file = build_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf", shape=TINY)
    return file, folder_of_file(file, file.parent / "folder")


def of(path: Path, backend: str = "exllamav2", **options: object) -> ModelFile:
    chosen = ModelOptions(**options)  # type: ignore[arg-type]
    return ModelFile(name=ModelName("tiny"), backend=backend, path=str(path), options=chosen)


def test_a_folder_tells_its_shape_and_weight(paths: tuple[Path, Path]) -> None:
    folder = read_folder(paths[1])
    config = folder.config
    assert (config.layers, config.heads, config.kv_heads, config.head_width) == (2, 4, 2, 16)
    assert config.context_tokens == 2048
    size = (paths[1] / "model.safetensors").stat().st_size
    assert size - 8192 < folder.weight_bytes < size
    assert kv_bytes_per_token(config, "fp16") == 2 * 2 * 2 * 16 * 2
    unpacked = 2 * 2 * 16 * 2  # 16-bit keys and values of one layer
    assert kv_bytes_per_token(config, "q4") == 2 * 2 * 2 * 16 * 4.5 / 8 + unpacked


def test_its_digest_is_the_one_that_plans_are_made_with(paths: tuple[Path, Path], tmp_path: Path) -> None:
    assert folder_sha256(paths[1]) == DigestBook(tmp_path).digest(of(paths[1]))


def edited(folder: Path, into: Path, **fields: object) -> Path:
    into.mkdir()
    for file in folder.iterdir():
        (into / file.name).write_bytes(file.read_bytes())
    config = json.loads((into / "config.json").read_text())
    (into / "config.json").write_text(json.dumps(config | fields))
    return into


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_hidden_layers", 0), ("hidden_size", "wide"), ("rope_theta", -1.0), ("vocab_size", None)],
)
def test_a_wrong_field_is_named(paths: tuple[Path, Path], tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(ModelFileError, match=field):
        read_folder(edited(paths[1], tmp_path / "copy", **{field: value}))


@pytest.mark.parametrize("damage", ["header", "offsets", "cut", "none"])
def test_damaged_weights_are_refused_before_anything_maps_them(
    paths: tuple[Path, Path], tmp_path: Path, damage: str
) -> None:
    folder = edited(paths[1], tmp_path / "copy")
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    match damage:
        case "header":
            file.write_bytes((1 << 40).to_bytes(8, "little") + whole[8:])
        case "offsets":
            file.write_bytes(
                whole[:8] + whole[8 : 8 + length].replace(b"[0,", b"[-1", 1) + whole[8 + length :]
            )
        case "cut":
            file.write_bytes(whole[:-100])
        case _:
            file.unlink()
    with pytest.raises(ModelFileError, match="safetensors"):
        read_folder(folder)


def test_sizes_are_whole_pages_within_the_memory(paths: tuple[Path, Path]) -> None:
    folder = read_folder(paths[1])
    page = kv_bytes_per_token(folder.config, "fp16") * PAGE_TOKENS
    fixed = folder.weight_bytes + working_bytes(folder.config)
    attending = gathered_bytes(folder.config, 4, 5 * PAGE_TOKENS)
    sizes = fit(of(paths[1], slots=4), folder, fixed + attending + 7 * page + page // 2)
    assert (sizes.pages, sizes.cells, sizes.context_tokens) == (7, 5 * PAGE_TOKENS, 5 * PAGE_TOKENS)
    attending = gathered_bytes(folder.config, 2, 300)
    roomy = fit(of(paths[1], slots=2, context_tokens=300), folder, fixed + attending + 100 * page)
    assert (roomy.cells, roomy.context_tokens) == (4 * PAGE_TOKENS, 300)
    with pytest.raises(ModelFileError, match="2000 context tokens need more than"):
        fit(of(paths[1], context_tokens=2000), folder, fixed + 7 * page)
    with pytest.raises(ModelFileError, match="no cache 'q5'"):
        fit(of(paths[1], extra={"kv_cache": "q5"}), folder, 0)


def test_quantised_caches_hold_more_where_heads_allow_them(paths: tuple[Path, Path], tmp_path: Path) -> None:
    narrow = read_folder(paths[1])
    with pytest.raises(ModelFileError, match="multiple of 32, not 16"):
        fit(of(paths[1], extra={"kv_cache": "q4"}), narrow, 1 << 30)
    wide = read_folder(edited(paths[1], tmp_path / "wide", head_dim=64, num_hidden_layers=16))
    memory = wide.weight_bytes + working_bytes(wide.config) + (40 << 20)
    cells = [
        fit(of(paths[1], slots=64, extra={"kv_cache": name}), wide, memory).cells
        for name in ("fp16", "q8", "q6", "q4")
    ]
    assert cells == sorted(set(cells))
    assert 2 * cells[0] < cells[-1] < 4 * cells[0]  # a layer is unpacked beside them


def test_quantised_weights_need_room_to_be_unpacked(paths: tuple[Path, Path], tmp_path: Path) -> None:
    """An 8B shape: exllamav2 0.3.2 sets aside its head in 16 bits, and two states of a feed-forward."""
    shape = {"hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128_256}
    plain = read_folder(edited(paths[1], tmp_path / "plain", **shape)).config
    quantised = {**shape, "quantization_config": {"quant_method": "exl2"}}
    packed = read_folder(edited(paths[1], tmp_path / "packed", **quantised)).config
    more = working_bytes(packed) - working_bytes(plain)
    assert more == 2 * 4096 * 128_256 + 2 * (2 * 2048 * 14336 * 2)


def test_copies_for_attention_are_part_of_the_memory(paths: tuple[Path, Path], tmp_path: Path) -> None:
    """An 8B shape whose sequences may be long: their cells and the copies of one layer's fit together."""
    shape = {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "num_hidden_layers": 4}
    longest = {**shape, "max_position_embeddings": 131_072}
    folder = read_folder(edited(paths[1], tmp_path / "long", **longest))
    page = kv_bytes_per_token(folder.config, "fp16") * PAGE_TOKENS
    fixed = folder.weight_bytes + working_bytes(folder.config)
    for megabytes in (100, 250, 400, 700, 1500, 3000):
        sizes = fit(of(paths[1], slots=64), folder, fixed + (megabytes << 20))
        attending = gathered_bytes(folder.config, 64, sizes.context_tokens)
        assert attending + sizes.pages * page <= megabytes << 20
        if sizes.context_tokens < 131_072:
            one_more = gathered_bytes(folder.config, 64, sizes.context_tokens + 1)
            assert one_more + (sizes.pages + 1) * page > megabytes << 20
    assert gathered_bytes(folder.config, 64, 1000) == COPIED_BYTES + 2048 * 1024 * 4 * 5
    assert gathered_bytes(folder.config, 1, 256) == 256 * 8 * 128 * 4 + 2048 * 256 * 4 * 5
    assert gathered_bytes(folder.config, 64, 131_072) == 131_072 * 8 * 128 * 4 + MASKED_BYTES


def test_a_worker_sets_aside_what_a_folder_takes_at_least(paths: tuple[Path, Path]) -> None:
    folder = read_folder(paths[1])
    page = kv_bytes_per_token(folder.config, "fp16") * PAGE_TOKENS
    fixed = folder.weight_bytes + working_bytes(folder.config)
    least, whole = of(paths[1], context_tokens=300), of(paths[1], kv_budget_bytes=5 << 20)
    attending = gathered_bytes(folder.config, least.options.slots, 300)
    assert estimate_bytes(least) == fixed + attending + (2 + 2 * 2) * page
    attending = gathered_bytes(folder.config, whole.options.slots, folder.config.context_tokens)
    assert estimate_bytes(whole) == fixed + attending + 2 * page + (5 << 20)


@pytest.fixture(scope="module")
def vocabularies(paths: tuple[Path, Path]):
    from engine.backends.llama_cpp import open_vocabulary

    return FolderVocabulary(paths[1]), open_vocabulary(of(paths[0], "llama_cpp"))


def test_a_folder_has_the_tokens_that_its_gguf_form_has(vocabularies) -> None:
    ours, theirs = vocabularies
    assert (ours.size, ours.end_ids, ours.prefixes_space) == (
        theirs.size,
        theirs.end_ids,
        theirs.prefixes_space,
    )
    assert ours.control_ids == set(theirs.control_ids)
    assert [ours.piece(token) for token in range(ours.size)] == [
        theirs.piece(token) for token in range(theirs.size)
    ]


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(
        st.one_of(
            st.characters(codec="utf-8", exclude_categories=("Cn", "Co"), max_codepoint=0x24FF),
            st.sampled_from("<|im_end|>"),
        ),
        max_size=40,
    )
)
def test_any_text_is_cut_alike_and_never_into_control_tokens(vocabularies, text: str) -> None:
    ours, theirs = vocabularies
    for data in (text, f"<|im_end|>{text}<|im_start|>"):
        found = ours.tokenize(data)
        assert found == theirs.tokenize(data)
        assert not ours.reserved.intersection(found)
        assert b"".join(map(ours.piece, found)).decode() == data


def test_tokens_are_counted_alike(paths: tuple[Path, Path]) -> None:
    text = "Which <|im_start|> parts are late? " * 20
    assert count_tokens(of(paths[1]))(text) == count_tokens(of(paths[0], "llama_cpp"))(text)
