"""The library's CUDA extension: what compiles it, where it is kept, and how every process asks for the same.

PyTorch compiles it when the library is imported, and again in any process whose compiler's options differ.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_NAME = "exllamav2_ext"
_ARCHITECTURES = "TORCH_CUDA_ARCH_LIST"
_ANSWER_S = 10.0


def is_installed() -> bool:
    """Whether it came compiled, as a module of its own: then nothing is ever compiled here."""
    return find_spec(_NAME) is not None


def is_kept(torch: Any) -> bool:
    """Whether this Python has compiled it before, for this CUDA."""
    return (build_folder(torch) / f"{_NAME}.so").exists()


def build_folder(torch: Any) -> Path:
    """Where PyTorch compiles and keeps it."""
    chosen = os.environ.get("TORCH_EXTENSIONS_DIR")
    if chosen:
        return Path(chosen, _NAME)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cuda = torch.version.cuda
    device = "cpu" if cuda is None else "cu" + cuda.replace(".", "")
    python = f"py{sys.version_info.major}{sys.version_info.minor}{sys.abiflags}"
    return caches.resolve() / "torch_extensions" / f"{python}_{device}" / _NAME


def tools() -> Iterator[tuple[str, bool]]:
    """What PyTorch runs to compile it, or to see that it need not, and whether each is there."""
    yield "nvcc", _nvcc() is not None
    yield "C++ compiler", any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++"))
    yield "ninja", bool(shutil.which("ninja")) or _ninja_folder() is not None
    yield "Python.h", Path(sysconfig.get_paths()["include"], "Python.h").exists()


def compiler_release() -> str:
    """The CUDA release whose nvcc PyTorch would run, as 13.0; empty where it does not say."""
    program = _nvcc()
    if program is None:
        return ""
    try:
        command = (str(program), "--version")
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"release (\d+\.\d+)", done.stdout)
    return found[1] if found else ""


def prepare(torch: Any) -> None:
    """Settle what the compiler's options hang on, and let ninja be found; before the first import."""
    if not os.environ.get(_ARCHITECTURES):
        os.environ[_ARCHITECTURES] = _architecture(torch)
    folder = _ninja_folder()
    if shutil.which("ninja") is None and folder is not None:
        os.environ["PATH"] = os.pathsep.join(filter(None, (os.environ.get("PATH"), str(folder))))
    _break_lock(build_folder(torch) / "lock")


def _architecture(torch: Any) -> str:
    """The first device's, or the newest that this PyTorch, and so its nvcc, knows."""
    named = (re.match(r"sm_(\d+)(\d)", name) for name in torch.cuda.get_arch_list())
    known = [(int(found[1]), int(found[2])) for found in named if found]
    own = torch.cuda.get_device_capability(0)
    major, minor = min(own, max(known, default=own))
    return f"{major}.{minor}"


def _nvcc() -> Path | None:
    """Where PyTorch looks for it: where the environment says, else on the path, else in the usual place."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    found = None if home else shutil.which("nvcc")
    program = Path(found) if found else Path(home or "/usr/local/cuda", "bin", "nvcc")
    return program if os.access(program, os.X_OK) else None


def _ninja_folder() -> Path | None:
    """Where its package has put the program: on nobody's path unless the environment is active."""
    package = find_spec("ninja")
    folders = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    if package is not None and package.origin is not None:
        folders.append(Path(package.origin).parents[1] / "bin")  # as `pip install --target` does it
    return next((folder for folder in folders if os.access(folder / "ninja", os.X_OK)), None)


def _break_lock(lock: Path) -> None:
    """Remove the lock of a process that was killed while it compiled: others would wait for it for ever.

    Whoever compiles keeps the file open, so one that nobody has open is nobody's.
    """
    try:
        mine = lock.stat().st_uid == os.getuid()
    except OSError:
        return
    if mine and not _is_open(lock.resolve()):
        lock.unlink(missing_ok=True)


def _is_open(path: Path) -> bool:
    """Whether a process of this user has it open; yes where that cannot be seen."""
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return True
    return not processes or any(str(path) in _open_files(Path("/proc", name, "fd")) for name in processes)


def _open_files(folder: Path) -> set[str]:
    found = set()
    with suppress(OSError):  # another user's process, or one that has just ended
        for descriptor in folder.iterdir():
            with suppress(OSError):  # a file that has just been closed
                found.add(os.readlink(descriptor))
    return found
