"""From a model folder to a backend: everything that is checked before weights are read."""

from __future__ import annotations

from collections.abc import Callable

from engine.backends.paged.model_folder import ModelFolder, folder_sha256, read_folder
from engine.backends.paged.network import Network
from engine.backends.paged.runtime import Origin, PagedRuntime
from engine.backends.paged.sizes import Sizes, fit
from engine.backends.stepping import SteppedBackend
from engine.errors import ModelFileError
from engine.ir.request import ModelFile


def open_paged(
    file: ModelFile, memory_bytes: int, build: str, open_network: Callable[[ModelFolder, Sizes], Network]
) -> SteppedBackend:
    """A backend over the network that `open_network` loads, within `memory_bytes` (0: unknown).

    `file.options.extra`: kv_cache (fp16, q8, q6, q4), prefix_sharing, prefix_order. Raises ModelFileError.
    """
    folder = read_folder(file.path)
    sizes = fit(file, folder, memory_bytes)
    digest = folder_sha256(file.path)
    if file.sha256 is not None and file.sha256.lower() != digest:
        raise ModelFileError(
            f"model {file.name}: SHA-256 of {file.path} is {digest}, not the pinned {file.sha256}",
            fix="restore the folder, or pin the new digest",
        )
    origin = Origin(file.backend, build, digest)
    runtime = PagedRuntime(file, folder, sizes, origin, lambda: open_network(folder, sizes))
    return SteppedBackend(
        runtime,
        slots=runtime.slots,
        sharing=sizes.sharing,
        ordered=bool(file.options.extra.get("prefix_order", True)),
    )
