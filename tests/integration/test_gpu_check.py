"""The GPU check where there is no GPU: its plan, its limits, and its figures over the reference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from bench.gpu_check.__main__ import main, run
from bench.gpu_check.measure import rates
from bench.gpu_check.plan import LIMIT_S, Step, steps
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile, ModelOptions
from engine.testing.paged_reference import load_backend
from workflows.mini.random_folder import write_random_folder


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_the_plan_names_every_step_and_runs_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--plan", "--json", str(tmp_path / "none.json")]) == 0
    said = capsys.readouterr().out
    for name in ("machine", "extension", "attention", "agreement", "contract", "rates_1b", "rates_8b"):
        assert name in said
    assert f"{LIMIT_S} s at most" in said
    assert not (tmp_path / "none.json").exists()


def test_every_module_a_step_names_is_there(tmp_path: Path) -> None:
    for step in steps(tmp_path, ("1b",)):
        if "bench.gpu_check.device" in step.command:
            code = f"from bench.gpu_check.device import STEPS; assert {step.command[3]!r} in STEPS"
            subprocess.run(python(code), check=True)


def test_steps_end_at_their_limits_and_a_needed_failure_ends_the_check(tmp_path: Path) -> None:
    file = str(tmp_path / "good.json")
    write = f"import json, pathlib; pathlib.Path({file!r}).write_text(json.dumps({{'x': 2}}))"
    planned = (
        Step("good", python(write), 60, ""),
        Step("slow", python("import time; time.sleep(60)"), 1, ""),
        Step("bad", python("raise SystemExit('broken: no device')"), 60, "", needed=True),
        Step("after", python(""), 60, ""),
    )
    good, slow, bad, after = run(planned, tmp_path, dict(os.environ), 120)
    assert (good["passed"], good["figures"]) == (True, {"x": 2})
    assert (slow["passed"], slow["why"]) == (False, "not done after 1 s")
    assert "broken: no device" in bad["why"]
    assert (after["passed"], after["why"]) == (False, "bad failed")
    (late,) = run((planned[0],), tmp_path, dict(os.environ), 0)
    assert late["why"] == "no time was left"


def test_without_cuda_the_check_fails_at_once_and_says_why(tmp_path: Path) -> None:
    """The real first step, on a machine whose PyTorch has no device."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a device here")
    found = run(steps(tmp_path, ()), tmp_path, dict(os.environ), 120)
    assert not any(result["passed"] for result in found)
    assert "exllamav2" in found[0]["why"]
    assert found[1]["why"] == "machine failed"


def test_figures_are_what_a_backend_counted(tmp_path: Path) -> None:
    folder = write_random_folder("tiny", tmp_path / "tiny")

    def load(slots: int):
        options = ModelOptions(slots=slots, context_tokens=1024)
        return load_backend(
            ModelFile(name=ModelName("t"), backend="exllamav2", path=str(folder), options=options), 0
        )

    figures = rates(load, 4, 4)
    assert json.loads(json.dumps(figures)) == figures
    assert 0.7 < figures["prefill_reused_share"] < 1.0  # a long system text, computed once
    assert figures["times_one_at_a_time"] > 0
    assert figures["peak_decode_tokens_per_s"] > 0
