"""The GPU backend where it cannot run: doctor's lines, clear errors for tracebacks, nothing imported."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.backends.exllamav2 import environment, extension
from engine.backends.exllamav2.environment import Fact
from engine.backends.registry import load_backend
from engine.errors import ConfigError, ModelFileError
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile
from haloctl.checks import model_findings
from haloctl.checks_gpu import findings_of, gpu_findings
from haloctl.settings import ModelSettings, Settings, WorkerSettings

GPU = Settings(workers={"gpu": WorkerSettings(backend="exllamav2")})


def fake_torch(*, cuda: str | None, available: bool = True, free: int = 100 << 30) -> SimpleNamespace:
    """PyTorch as seen by the checks, on a machine of choice."""
    device = SimpleNamespace(
        is_available=lambda: available,
        get_device_capability=lambda _index: (9, 0),
        get_device_name=lambda _index: "NVIDIA H200",
        mem_get_info=lambda _index: (free, 140 << 30),
    )
    return SimpleNamespace(__version__="2.11.0", version=SimpleNamespace(cuda=cuda), cuda=device)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Pretend what is installed; returns the facts found then."""

    def look(
        packages: dict[str, str], torch: SimpleNamespace | None, *, kept: bool = False, **tools: bool
    ) -> dict[str, Fact]:
        monkeypatch.setattr(environment, "_package", packages.get)
        monkeypatch.setattr(environment, "_torch", lambda: torch)
        monkeypatch.setattr(extension, "is_kept", lambda _torch: kept)
        monkeypatch.setattr(extension, "tools", lambda: iter(tools.items()))
        return {fact.subject: fact for fact in environment.examine()}

    return look


def test_every_missing_thing_says_what_to_do(machine) -> None:
    library = {"exllamav2": "0.3.2"}
    assert "haloctl[gpu]" in (machine({}, None)["exllamav2"].fix or "")
    assert machine(library, None)["CUDA"].state == "missing"
    assert "without CUDA" in machine(library, fake_torch(cuda=None))["CUDA"].words
    assert "nvidia-smi" in (machine(library, fake_torch(cuda="13.0", available=False))["CUDA"].fix or "")
    facts = machine(library, fake_torch(cuda="13.0"), nvcc=False, ninja=True)
    assert "no nvcc" in facts["extension"].words
    assert facts["extension"].state == "missing"


def test_what_was_compiled_earlier_is_only_loaded_with_the_tools_there(machine) -> None:
    packages, torch = {"exllamav2": "0.3.2"}, fake_torch(cuda="13.0")
    assert machine(packages, torch, kept=True, nvcc=True, ninja=True)["extension"].state == "ok"
    lacking = machine(packages, torch, kept=True, nvcc=True, ninja=False)["extension"]
    assert (lacking.state, lacking.words) == ("missing", "compiled earlier, and there is no ninja")


@pytest.mark.parametrize(("release", "warned"), [("12.4", True), ("13.1", False), ("", False)])
def test_a_compiler_of_another_cuda_is_told(
    machine, monkeypatch: pytest.MonkeyPatch, release: str, warned: bool
) -> None:
    monkeypatch.setattr(extension, "compiler_release", lambda: release)
    fact = machine({"exllamav2": "0.3.2"}, fake_torch(cuda="13.0"), nvcc=True)["extension"]
    assert fact.state == "slower"
    assert (f"nvcc is of CUDA {release} while PyTorch is of CUDA 13.0" in fact.words) is warned


def test_a_flash_attn_for_another_pytorch_is_told_before_a_load_fails(
    machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "flash_attn", raising=False)
    (tmp_path / "flash_attn.py").write_text("raise ImportError('undefined symbol: _ZN3c105')")
    packages = {"exllamav2": "0.3.2", "flash-attn": "2.8.3"}
    broken = machine(packages, fake_torch(cuda="13.0"), nvcc=True)["flash-attn"]
    assert broken.state == "missing"
    assert "undefined symbol" in broken.words
    assert "EXLLAMA_NO_FLASH_ATTN=1" in (broken.fix or "")
    monkeypatch.setenv("EXLLAMA_NO_FLASH_ATTN", "1")
    without = machine(packages, fake_torch(cuda="13.0"), nvcc=True)["flash-attn"]
    assert (without.state, environment.has_paged_flash_attention()) == ("slower", False)
    assert "switched off" in without.words


def test_a_sound_machine_is_told_in_five_lines(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace())
    packages = {"exllamav2": "0.3.2", "flash-attn": "2.8.3"}
    facts = machine(packages, fake_torch(cuda="13.0"), nvcc=True)
    assert list(facts) == ["exllamav2", "CUDA", "extension", "flash-attn", "GPU memory"]
    assert {name: fact.state for name, fact in facts.items()} == {
        "exllamav2": "ok",
        "CUDA": "ok",
        "extension": "slower",
        "flash-attn": "ok",
        "GPU memory": "ok",
    }
    assert "NVIDIA H200 (compute 9.0)" in facts["CUDA"].words
    assert "100.0 of 140.0 GiB" in facts["GPU memory"].words


@pytest.mark.parametrize(
    ("version", "reads_pages"), [("2.5.6", False), ("2.5.7", True), ("2.8.3+cu12", True), (None, False)]
)
def test_flash_attn_counts_from_the_version_that_reads_pages(
    monkeypatch: pytest.MonkeyPatch, version: str | None, reads_pages: bool
) -> None:
    monkeypatch.setattr(environment, "_package", lambda _name: version)
    assert environment.has_paged_flash_attention() is reads_pages


def test_a_full_gpu_is_a_warning(machine) -> None:
    facts = machine({"exllamav2": "0.3.2"}, fake_torch(cuda="13.0", free=1 << 30), nvcc=True)
    assert facts["GPU memory"].state == "slower"


def test_doctor_faults_only_what_settings_ask_for() -> None:
    missing = (Fact(subject="CUDA", state="missing", words="no device", fix="plug one in"),)
    assert [finding.verdict for finding in findings_of(missing, wanted=True)] == ["fault"]
    (warning,) = findings_of(missing, wanted=False)
    assert (warning.verdict, warning.fix) == ("warning", "plug one in")


@pytest.mark.skipif(find_spec("exllamav2") is not None, reason="exllamav2 is installed here")
def test_doctor_is_silent_about_a_gpu_nobody_asked_for() -> None:
    assert list(gpu_findings(Settings())) == []
    for settings in (GPU, Settings(models={"m": ModelSettings(exl2="folder")})):
        assert [finding.subject for finding in gpu_findings(settings)] == ["backend exllamav2"]


def test_loading_without_a_device_is_an_error_with_a_fix(machine) -> None:
    machine({"exllamav2": "0.3.2"}, fake_torch(cuda="13.0", available=False))
    file = ModelFile(name=ModelName("m"), backend="exllamav2", path="nowhere")
    with pytest.raises(ConfigError, match="sees no device") as caught:
        load_backend(file, 0)
    assert "llama_cpp" in str(caught.value.fix)


def test_importing_haloctl_imports_no_model_library() -> None:
    code = (
        "import sys, haloctl, haloctl.cli, haloctl.commands.batch, haloctl.commands.doctor;"
        "import engine.backends.registry, engine.worker.serve, engine.backends.exllamav2;"
        "print([name for name in ('torch', 'exllamav2', 'llguidance', 'tokenizers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_doctor_looks_into_model_folders(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    settings = Settings(models={"m": ModelSettings(exl2=str(folder))})
    (missing,) = model_findings(settings)
    assert (missing.verdict, missing.fix) == ("fault", "exl2 names a folder with config.json in it")
    folder.mkdir()
    shape = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 512}
    (folder / "config.json").write_text(json.dumps({**shape, "max_position_embeddings": 1024}))
    header = json.dumps({"w": {"dtype": "F16", "shape": [8], "data_offsets": [0, 16]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    (found,) = model_findings(settings)
    assert found.verdict == "ok"
    assert "16-bit, 16 B, context 1024" in found.words


def layered(softcap: float | None = None, *windows: int) -> SimpleNamespace:
    """A model as exllamav2 0.3.2 describes it before its weights are read."""
    config = SimpleNamespace(attn_logit_softcapping=softcap, model_dir="folder")
    layers = [SimpleNamespace(sliding_window=window) for window in windows]
    joined = [SimpleNamespace(attn=layer) for layer in layers[1:]]
    return SimpleNamespace(config=config, modules=[SimpleNamespace(), *layers[:1], *joined])


def test_windows_and_caps_are_refused_where_they_would_be_left_out() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from engine.backends.exllamav2.network import require_full_attention

    for fine in (layered(), layered(None, 0, 0), layered(None, 4096, 0), layered(0.0, 0)):
        require_full_attention(fine, 4096)
    with pytest.raises(ModelFileError, match="soft-capped") as capped:
        require_full_attention(layered(50.0, 0), 4096)
    assert capped.value.fix == "install flash-attn (2.5.7 or newer)"
    for windowed in (layered(None, 4096), layered(None, 0, 4096, 0)):
        with pytest.raises(ModelFileError, match="sliding window of 4096 tokens") as caught:
            require_full_attention(windowed, 4097)
        assert "context_tokens = 4096" in (caught.value.fix or "")
