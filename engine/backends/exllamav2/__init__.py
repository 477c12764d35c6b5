"""ExLlamaV2 on a GPU: quantised (EXL2) or 16-bit model folders, computed by its kernels over our pages.

The library is imported when a model is loaded and not before: its extension is compiled at first import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.backends.exllamav2.environment import build, require_device
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.backends.stepping import SteppedBackend
    from engine.ir.request import ModelFile

__all__ = ["build", "compile_extension", "open_exllamav2"]


def compile_extension() -> None:
    """Import the library once, which compiles its extension where that was not done for this device.

    Raises ConfigError when the machine lacks what it takes, or the compiler fails.
    """
    require_device()
    import torch

    from engine.backends.exllamav2 import extension

    extension.prepare(torch)
    try:
        import exllamav2  # noqa: F401 - importing it is what compiles
    except Exception as error:  # whatever compilers, linkers and PyTorch's loader run into
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ConfigError(
            f"ExLlamaV2's extension cannot be compiled or loaded: {said}",
            fix="haloctl doctor says what it needs; the worker's log has the compiler's words",
        ) from error


def open_exllamav2(file: ModelFile, memory_bytes: int) -> SteppedBackend:
    """Load a model folder onto the GPU, within `memory_bytes` and what is free there.

    `file.options.extra`: kv_cache (fp16, q8, q6, q4), prefix_sharing, prefix_order. Raises ConfigError when
    the machine lacks what it takes, ModelFileError for a folder that cannot be loaded or does not fit.
    """
    require_device()
    from engine.backends.exllamav2.network import free_bytes, open_network
    from engine.backends.paged.open import open_paged

    free = free_bytes()
    budget = min(memory_bytes, free) if memory_bytes else free
    return open_paged(file, budget, build(), lambda folder, sizes: open_network(file, folder, sizes))
