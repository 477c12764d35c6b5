"""What is imported without need: no model library by haloctl, and no llama.cpp by what a GPU worker runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FRONT_ENDS = (
    "haloctl",
    "haloctl.cli",
    "haloctl.compose",
    "haloctl.commands.batch",
    "haloctl.commands.calibrate",
)
GPU_WORKER = ("engine.worker.serve", "engine.backends.paged.open", "engine.backends.exllamav2.network")


def loaded(modules: tuple[str, ...], refused: tuple[str, ...] = ()) -> set[str]:
    """Top-level packages in a fresh process after importing these; `refused` ones cannot be imported."""
    code = (
        "import json, sys\n"
        f"for name in {refused!r}: sys.modules[name] = None\n"
        f"for name in {modules!r}: __import__(name)\n"
        "print(json.dumps([name for name, module in sys.modules.items() if module and '.' not in name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_haloctl_imports_no_model_library() -> None:
    assert not loaded(FRONT_ENDS) & {"torch", "llama_cpp", "exllamav2", "llguidance", "safetensors"}


def test_a_gpu_worker_needs_no_llama_cpp() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert "llama_cpp" not in loaded(GPU_WORKER, refused=("llama_cpp",))
