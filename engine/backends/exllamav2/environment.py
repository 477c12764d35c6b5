"""What ExLlamaV2 needs of a machine, looked at without loading it: each fact with what to do about it.

Nothing here compiles anything. PyTorch is imported only where it is installed, and only when asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Literal

from engine.backends.exllamav2 import extension
from engine.errors import ConfigError
from engine.ir.ids import Record

_INSTALL = "pip install 'haloctl[gpu]'"
_SWITCH = "EXLLAMA_NO_FLASH_ATTN"
"""The library's own: set to anything, it does without flash-attn."""

_PAGED_SINCE = (2, 5, 7)


class Fact(Record, frozen=True, kw_only=True):
    """One thing that was looked at. `missing` stops a worker, `slower` does not; `fix` says what to do."""

    subject: str
    state: Literal["ok", "slower", "missing"]
    words: str
    fix: str | None = None


def examine() -> Iterator[Fact]:
    """All facts, in the order in which they matter; ends after the first that everything else hangs on."""
    library = _package("exllamav2")
    if library is None:
        yield Fact(subject="exllamav2", state="missing", words="not installed", fix=_INSTALL)
        return
    yield Fact(subject="exllamav2", state="ok", words=f"version {library}")
    torch = _torch()
    if torch is None:
        yield Fact(subject="CUDA", state="missing", words="PyTorch is not installed", fix=_INSTALL)
        return
    device = _device(torch)
    yield device
    if device.state == "missing":
        return
    yield _compiler(torch)
    yield _flash_attention()
    yield _memory(torch)


def require_device() -> None:
    """Raise ConfigError, with what to do, unless ExLlamaV2 can be loaded here."""
    for fact in examine():
        if fact.state == "missing":
            raise ConfigError(
                f'backend "exllamav2": {fact.subject}: {fact.words}',
                fix=f'{fact.fix}; or give the model a gguf file and a worker with backend = "llama_cpp"',
            )


def build() -> str:
    """Libraries behind the backend, for provenance. Raises ConfigError where it is not installed."""
    library, torch = _package("exllamav2"), _package("torch")
    if library is None or torch is None:
        raise ConfigError('backend "exllamav2" is not installed', fix=_INSTALL)
    kernel = "flash-attn" if has_paged_flash_attention() else "PyTorch"
    return f"exllamav2 {library} (PyTorch {torch}, paged attention by {kernel})"


def has_paged_flash_attention() -> bool:
    """Whether flash-attn is installed in a version whose kernels read pages, and the library may use it."""
    if _is_switched_off():
        return False
    found = _package("flash-attn")
    numbers = tuple(int(part) for part in (found or "0").split("+")[0].split(".") if part.isdigit())
    return numbers >= _PAGED_SINCE


def _is_switched_off() -> bool:
    return _SWITCH in os.environ


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _torch() -> Any:
    if find_spec("torch") is None:
        return None
    import torch

    return torch


def _device(torch: Any) -> Fact:
    if torch.version.cuda is None:
        words = f"PyTorch {torch.__version__} is built without CUDA"
        fix = "install a CUDA build of PyTorch (pytorch.org/get-started)"
        return Fact(subject="CUDA", state="missing", words=words, fix=fix)
    if not torch.cuda.is_available():
        words = f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}) sees no device"
        fix = "check that nvidia-smi lists a GPU and that its driver is as new as CUDA"
        return Fact(subject="CUDA", state="missing", words=words, fix=fix)
    major, minor = torch.cuda.get_device_capability(0)
    name = torch.cuda.get_device_name(0)
    words = f"{name} (compute {major}.{minor}), CUDA {torch.version.cuda}, PyTorch {torch.__version__}"
    return Fact(subject="CUDA", state="ok", words=words)


def _compiler(torch: Any) -> Fact:
    """The extension is ready, or there is what compiles it."""
    if extension.is_installed():
        return Fact(subject="extension", state="ok", words="installed, compiled beforehand")
    kept = extension.is_kept(torch)
    lacking = [name for name, found in extension.tools() if not found]
    if lacking:  # PyTorch asks for them even to load what it has compiled earlier
        words = (
            f"{'compiled earlier' if kept else 'not compiled yet'}, and there is no {', no '.join(lacking)}"
        )
        fix = "install the CUDA toolkit (nvcc), a C++ compiler, ninja and Python's headers; set CUDA_HOME"
        return Fact(subject="extension", state="missing", words=words, fix=fix)
    if kept:
        return Fact(subject="extension", state="ok", words="compiled earlier and kept")
    release, wanted = extension.compiler_release(), str(torch.version.cuda)
    if release and release.partition(".")[0] != wanted.partition(".")[0]:
        words = (
            f"not compiled yet; nvcc is of CUDA {release} while PyTorch is of CUDA {wanted}: that may fail"
        )
        fix = f"install the toolkit of CUDA {wanted} and set CUDA_HOME, or a PyTorch built for CUDA {release}"
        return Fact(subject="extension", state="slower", words=words, fix=fix)
    words = "not compiled yet: the first model load takes minutes longer"
    return Fact(subject="extension", state="slower", words=words, fix="make gpu-check compiles it beforehand")


def _flash_attention() -> Fact:
    found = _package("flash-attn")
    if found and not _is_switched_off():
        try:
            import_module("flash_attn")  # as the library will
        except Exception as error:  # built for another PyTorch, it fails in many ways
            words = (
                f"version {found} cannot be imported: {str(error).splitlines()[0] if str(error) else error!r}"
            )
            fix = (
                f"install one built for this PyTorch, or set {_SWITCH}=1: PyTorch's own operators do as well"
            )
            return Fact(subject="flash-attn", state="missing", words=words, fix=fix)
    if has_paged_flash_attention():
        return Fact(subject="flash-attn", state="ok", words=f"version {found}")
    words = f"version {found} reads no pages" if found else "not installed"
    if found and _is_switched_off():
        words = f"version {found} is switched off ({_SWITCH})"
    return Fact(
        subject="flash-attn",
        state="slower",
        words=f"{words}: attention runs on PyTorch's own operators",
        fix="pip install flash-attn is optional (2.5.7 or newer)",
    )


def _memory(torch: Any) -> Fact:
    free, total = torch.cuda.mem_get_info(0)
    words = f"{free / (1 << 30):.1f} of {total / (1 << 30):.1f} GiB free"
    if free >= total // 4:
        return Fact(subject="GPU memory", state="ok", words=words)
    fix = "end other programs on the GPU (nvidia-smi lists them)"
    return Fact(subject="GPU memory", state="slower", words=words, fix=fix)
