"""What ExLlamaV2's layers are compared by, without a GPU: quantised folders read by hand, the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

import torch
from safetensors.torch import load_file

from bench.gpu_check.layers import MOST, by_definition, largest_difference, loaded_as
from bench.gpu_check.models import LAYERS
from bench.gpu_check.quantised_folder import quantise, write_quantised
from bench.gpu_check.target import Target
from engine.backends.paged.model_folder import read_folder
from engine.backends.paged.reference_network import ReferenceNetwork
from workflows.mini.random_folder import write_random_folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A random folder, the same in 4 bits, and what those stand for."""
    made = tmp_path_factory.mktemp("layers")
    plain, packed, restored = (made / name for name in ("plain", "packed", "restored"))
    write_random_folder(LAYERS, plain)
    write_quantised(plain, packed, restored)
    return plain, packed, restored


def by_hand(stored: dict, row: int, column: int) -> float:
    """One weight (input, output) as the format says: number by number, without any of the writer's shapes."""
    place = int(stored["q_invperm"][row])
    groups = stored["q_groups"].tolist()
    bits, starts = groups[0], groups[1::2]
    word = place * bits // 32
    group = max(at for at, start in enumerate(starts) if start <= word)
    number = (int(stored["q_weight"][word, column]) >> (place * bits % 32)) & 15
    step = ((int(stored["q_scale"][group, column // 8]) >> (4 * (column % 8))) & 15) + 1
    return (number - 8) * step**2 * float(stored["q_scale_max"][group]) / 256


def test_quantised_weights_are_kept_as_the_format_says() -> None:
    weight = torch.randn(40, 256, generator=torch.Generator().manual_seed(3)) / 16
    stored, restored = quantise(weight)
    assert {name: (str(part.dtype), tuple(part.shape)) for name, part in stored.items()} == {
        "q_weight": ("torch.int32", (32, 64)),
        "q_scale": ("torch.int32", (2, 8)),
        "q_scale_max": ("torch.float16", (2,)),
        "q_groups": ("torch.int16", (4,)),
        "q_invperm": ("torch.int32", (256,)),
    }
    read = torch.tensor([[by_hand(stored, row, column) for row in range(256)] for column in range(40)])
    assert torch.allclose(read, restored.float(), rtol=2e-3, atol=1e-5)
    assert 0.02 < float((restored.float() - weight).abs().max() / weight.abs().max()) < 0.15


def test_rows_that_make_no_whole_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="100 rows"):
        quantise(torch.zeros(32, 100))


def test_a_quantised_folder_is_read_as_one(folders: tuple[Path, Path, Path]) -> None:
    plain, packed, restored = map(read_folder, folders)
    assert (plain.config.quantised, packed.config.quantised, restored.config.quantised) == (
        False,
        True,
        False,
    )
    assert packed.weight_bytes < plain.weight_bytes // 2
    assert restored.weight_bytes == plain.weight_bytes
    names = {name for file in packed.weight_files for name in load_file(file)}
    assert {"lm_head.q_weight", "model.layers.1.mlp.down_proj.q_groups", "model.embed_tokens.weight"} <= names
    assert not {"lm_head.weight", "model.layers.1.mlp.down_proj.weight"} & names


@pytest.mark.slow
def test_the_comparison_tells_networks_and_pages_apart(folders: tuple[Path, Path, Path]) -> None:
    plain, _, restored = folders
    target = Target(reference=False)
    expected = by_definition(target, plain)
    _, described, sizes = loaded_as(target, plain, "q4")
    assert largest_difference(ReferenceNetwork(described, sizes.pages), expected) < 1e-4
    assert largest_difference(ReferenceNetwork(read_folder(restored), sizes.pages), expected) > MOST["exl2"]

    class Mixed(ReferenceNetwork):
        """Loses what the first page of every sequence holds after its prompt's first step."""

        def forward(self, batch):
            if int(batch.past.max()):
                for block in self.blocks:
                    block[batch.pages[:, 0].long()] = 0
            return super().forward(batch)

    assert largest_difference(Mixed(described, sizes.pages), expected) > max(MOST.values())
