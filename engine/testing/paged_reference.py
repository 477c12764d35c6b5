"""The ExLlamaV2 backend with its layers computed in plain PyTorch: everything but the GPU, on any machine.

Workers load it in the place of ExLlamaV2 when their environment holds
`HALOCTL_BACKEND_MODULES="exllamav2=engine.testing.paged_reference"`. Needs PyTorch and safetensors.
"""

from __future__ import annotations

from engine.backends.paged.model_folder import ModelFolder
from engine.backends.paged.open import open_paged
from engine.backends.paged.reference_network import BUILD, ReferenceNetwork
from engine.backends.paged.sizes import Sizes
from engine.backends.stepping import SteppedBackend
from engine.ir.request import ModelFile


def load_backend(file: ModelFile, memory_bytes: int) -> SteppedBackend:
    """A model folder on the CPU, in float32. Raises ModelFileError."""

    def open_network(folder: ModelFolder, sizes: Sizes) -> ReferenceNetwork:
        return ReferenceNetwork(folder, sizes.pages, file.options.threads or 1)

    return open_paged(file, memory_bytes, BUILD, open_network)
