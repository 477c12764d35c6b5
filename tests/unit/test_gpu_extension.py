"""How the GPU backend's extension comes to be compiled once, asked of PyTorch's own rules, without a GPU."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.backends import exllamav2
from engine.backends.exllamav2 import extension
from engine.errors import ConfigError

ARCHITECTURES = "TORCH_CUDA_ARCH_LIST"


def machine(capability: tuple[int, int], *known: str) -> SimpleNamespace:
    """PyTorch as seen by what prepares the compiler."""
    device = SimpleNamespace(
        get_device_capability=lambda _index: capability, get_arch_list=lambda: list(known)
    )
    return SimpleNamespace(version=SimpleNamespace(cuda="13.0"), cuda=device)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder for what is compiled, and no word yet on what for."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setenv(ARCHITECTURES, "")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    folder = tmp_path / "exllamav2_ext"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("capability", "known", "expected"),
    [
        ((9, 0), ("sm_80", "sm_90", "sm_90a", "compute_90"), "9.0"),
        ((8, 9), ("sm_80", "sm_86", "sm_90"), "8.9"),
        ((12, 1), ("sm_90", "sm_120"), "12.0"),
        ((7, 5), (), "7.5"),
    ],
)
def test_every_process_asks_for_the_same_architecture(
    cache: Path, capability: tuple[int, int], known: tuple[str, ...], expected: str
) -> None:
    extension.prepare(machine(capability, *known))
    assert os.environ[ARCHITECTURES] == expected
    extension.prepare(machine((8, 0)))  # what is set stays, the user's own word too
    assert os.environ[ARCHITECTURES] == expected


@pytest.mark.parametrize("chosen", [None, "TORCH_EXTENSIONS_DIR", "XDG_CACHE_HOME"])
def test_it_is_looked_for_where_pytorch_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: str | None
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.utils import cpp_extension

    for name in ("TORCH_EXTENSIONS_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if chosen is not None:
        monkeypatch.setenv(chosen, str(tmp_path / "chosen"))
    folder = cpp_extension._get_build_directory("exllamav2_ext", False)
    assert str(extension.build_folder(torch)) == folder
    assert not extension.is_kept(torch)
    Path(folder, "exllamav2_ext.so").touch()
    assert extension.is_kept(torch)


def test_ninja_of_an_environment_that_is_not_active_is_found(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As `pip install --target` leaves it: a package, and a program in a folder beside it."""
    (tmp_path / "site" / "ninja").mkdir(parents=True)
    (tmp_path / "site" / "ninja" / "__init__.py").touch()
    (tmp_path / "site" / "bin").mkdir()
    program = tmp_path / "site" / "bin" / "ninja"
    program.write_text("#!/bin/sh\necho 1.13\n")
    program.chmod(0o755)
    monkeypatch.delitem(sys.modules, "ninja", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(extension.sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert dict(extension.tools())["ninja"]
    extension.prepare(machine((9, 0)))
    assert subprocess.run(["ninja"], capture_output=True, text=True, check=True).stdout == "1.13\n"


def nvcc_of(home: Path, release: str) -> Path:
    """A program that says what nvcc says of itself."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "nvcc"
    program.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {release}, V{release}.1'\n")
    program.chmod(0o755)
    return program


def test_nvcc_is_the_one_that_pytorch_runs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_path, named = tmp_path / "on_path", tmp_path / "named"
    nvcc_of(on_path, "12.4")
    nvcc_of(named, "13.0")
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{on_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert extension.compiler_release() == "12.4"
    monkeypatch.setenv("CUDA_HOME", str(named))
    assert extension.compiler_release() == "13.0"
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))  # wrong, and PyTorch looks nowhere else then
    assert (extension.compiler_release(), dict(extension.tools())["nvcc"]) == ("", False)


def test_the_lock_of_a_process_that_was_killed_is_broken_and_no_other(cache: Path) -> None:
    lock = cache / "lock"
    code = (
        f"import os, time; os.open({str(lock)!r}, os.O_CREAT | os.O_EXCL); print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as compiling:
        assert compiling.stdout is not None
        compiling.stdout.readline()
        extension.prepare(machine((9, 0)))
        held = lock.exists()
        os.kill(compiling.pid, signal.SIGKILL)
    assert held
    extension.prepare(machine((9, 0)))
    assert not lock.exists()


def test_a_compiler_that_fails_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The worker's load then fails with it, as with any other fault of the machine."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    library = tmp_path / "exllamav2.py"
    library.write_text('raise RuntimeError("Error building extension\\nnvcc says more")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "exllamav2", raising=False)
    monkeypatch.setattr(exllamav2, "require_device", lambda: None)
    monkeypatch.setattr(extension, "prepare", lambda _torch: None)
    with pytest.raises(ConfigError, match="loaded: Error building extension") as caught:
        exllamav2.compile_extension()
    assert "nvcc says more" not in caught.value.message
    library.write_text("")
    importlib.invalidate_caches()
    exllamav2.compile_extension()
    assert sys.modules.pop("exllamav2").__file__ == str(library)
