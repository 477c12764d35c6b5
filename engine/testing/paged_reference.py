"""The ExLlamaV2 backend with its layers computed in plain PyTorch: everything but the GPU, on any machine.

Workers load it in the place of ExLlamaV2 when their environment holds
`HALOCTL_BACKEND_MODULES="exllamav2=engine.testing.paged_reference"`. With `HALOCTL_REFERENCE_TOKENS` it runs
out of memory above so many tokens of a batch. Needs PyTorch and safetensors.
"""

from __future__ import annotations

import os

from engine.backends.paged.limited_network import LimitedNetwork
from engine.backends.paged.model_folder import ModelFolder
from engine.backends.paged.network import Network
from engine.backends.paged.open import open_paged
from engine.backends.paged.reference_network import BUILD, ReferenceNetwork
from engine.backends.paged.sizes import Sizes
from engine.backends.stepping import SteppedBackend
from engine.ir.request import ModelFile

TOKENS_VARIABLE = "HALOCTL_REFERENCE_TOKENS"


def load_backend(file: ModelFile, memory_bytes: int) -> SteppedBackend:
    """A model folder on the CPU, in float32. Raises ModelFileError."""
    limit = os.environ.get(TOKENS_VARIABLE)
    return load_limited(file, memory_bytes, None if limit is None else int(limit))[0]


def load_limited(
    file: ModelFile, memory_bytes: int, most_tokens: int | None
) -> tuple[SteppedBackend, LimitedNetwork]:
    """The same, and the network whose limit may be moved. Raises ModelFileError."""
    made: list[LimitedNetwork] = []

    def open_network(folder: ModelFolder, sizes: Sizes) -> Network:
        inner = ReferenceNetwork(folder, sizes.pages, file.options.threads or 1)
        made.append(LimitedNetwork(inner, most_tokens))
        return made[0]

    backend = open_paged(file, memory_bytes, BUILD, open_network)
    return backend, made[0]
