"""The GPU check where there is no GPU: its plan, its limits, and every step of it over the reference."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from safetensors.numpy import save_file

from bench.gpu_check.__main__ import main
from bench.gpu_check.carry_out import ROOT, Check, Result, lines
from bench.gpu_check.device import STEPS
from bench.gpu_check.goals import verdict
from bench.gpu_check.plan import LIMIT_S, Stage, Step, every_step, longest_s, stages
from bench.gpu_check.training import compare_weights

SHAPES = ("8b", "1b")


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def carried_out(folder: Path, planned: tuple[Stage, ...], limit_s: float = 120) -> dict[str, Result]:
    told: list[str] = []
    check = Check(folder, dict(os.environ), limit_s, tell=told.append)
    found = {result.step: result for result in check.run(planned)}
    assert len(told) == len(found)
    return found


def test_the_plan_names_every_step_and_runs_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--plan", "--json", str(tmp_path / "none.json")]) == 0
    said = capsys.readouterr().out
    for name in (*STEPS.keys() - {"rates", "engine"}, "contract", "rates.8b", "engine.8b", "rates.1b"):
        assert f" {name} " in said
    assert f"{LIMIT_S} s at most" in said
    assert not (tmp_path / "none.json").exists()


def test_the_steps_fit_into_the_time_but_for_shapes_beyond_the_first(tmp_path: Path) -> None:
    planned = stages(tmp_path, SHAPES)
    assert longest_s(planned, optional="rates.1b") <= LIMIT_S
    assert longest_s(planned) > LIMIT_S  # what is left out when everything takes longest is the last step
    assert all(0 < step.least_s <= step.limit_s for step in every_step(planned))


def test_every_step_is_there(tmp_path: Path) -> None:
    names = {step.command[3] for step in every_step(stages(tmp_path, SHAPES)) if step.name != "contract"}
    assert names == set(STEPS)
    for place in STEPS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(import_module(module), function))


def test_steps_end_at_their_limits_and_a_needed_failure_ends_the_check(tmp_path: Path) -> None:
    file = str(tmp_path / "good.json")
    write = f"import json, pathlib; pathlib.Path({file!r}).write_text(json.dumps({{'x': 2}}))"
    lane = (
        Step("good", python(write), 60, ""),
        Step("slow", python("import time; time.sleep(60)"), 1, ""),
        Step("bad", python("raise SystemExit('broken: no device')"), 60, "", needed=True),
        Step("after", python(""), 60, ""),
    )
    found = carried_out(tmp_path, ((lane,), ((Step("later", python(""), 60, ""),),)))
    assert (found["good"].state, found["good"].figures) == ("passed", {"x": 2})
    assert (found["slow"].state, found["slow"].why) == ("failed", "not done after 1 s")
    assert "broken: no device" in found["bad"].why
    for name in ("after", "later"):
        assert (found[name].state, found[name].why) == ("left out", "bad failed")


def test_what_a_step_has_started_ends_with_it_and_it_may_tidy_up(tmp_path: Path) -> None:
    """As a compiler that a step waits for, and the lock of it that the step gives back."""
    compiler, tidied = tmp_path / "compiler", tmp_path / "tidied"
    code = (
        "import pathlib, signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(compiler)!r}).write_text(str(child.pid))\n"
        f"try: child.wait()\nfinally: pathlib.Path({str(tidied)!r}).touch()"
    )
    found = carried_out(tmp_path, (((Step("extension", python(code), 8, ""),),),))
    assert found["extension"].why == "not done after 8 s; what was compiled is kept: run the check again"
    assert tidied.exists()
    assert has_ended(int(compiler.read_text()))


def has_ended(process: int) -> bool:
    """Gone, or dead and not yet asked after."""
    place = Path(f"/proc/{process}/stat")
    return not place.exists() or place.read_text().rpartition(")")[2].split()[0] == "Z"


def test_an_interrupted_check_takes_its_steps_along(tmp_path: Path) -> None:
    """The whole check in a process of its own; the step is in none that a terminal would interrupt."""
    started = tmp_path / "started"
    file = f"pathlib.Path({str(started)!r})"
    step = f"import os, pathlib, time; {file}.write_text(str(os.getpid())); time.sleep(600)"
    code = (
        "import os, pathlib, sys\nfrom bench.gpu_check.carry_out import Check\n"
        "from bench.gpu_check.plan import Step\n"
        f"step = Step('long', (sys.executable, '-c', {step!r}), 600, '')\n"
        f"Check(pathlib.Path({str(tmp_path)!r}), dict(os.environ), 600).run((((step,),),))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as check:
        while not (started.exists() and started.read_text()):
            assert check.poll() is None
            time.sleep(0.05)
        check.send_signal(signal.SIGINT)
        assert check.wait(60) != 0
    assert has_ended(int(started.read_text()))


def test_a_step_for_which_no_time_is_left_is_left_out_and_says_so(tmp_path: Path) -> None:
    lane = (Step("short", python(""), 60, ""), Step("long", python(""), 2000, "", least_s=1000))
    found = carried_out(tmp_path, ((lane,),), limit_s=900)
    assert found["short"].state == "passed"
    assert found["long"].state == "left out"
    assert "it takes 1000 at least" in found["long"].why
    assert "left out" in lines(found["long"])


def test_lanes_of_a_stage_run_side_by_side_and_stages_one_after_another(tmp_path: Path) -> None:
    """Each of two lanes waits for a file of the other's; the next stage finds both."""
    code = (
        "import pathlib, sys, time\nmine, other = map(pathlib.Path, sys.argv[1:])\nmine.touch()\n"
        "while not other.exists(): time.sleep(0.02)"
    )
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    together = (
        (Step("a", (*python(code), a, b), 60, ""),),
        (Step("b", (*python(code), b, a), 60, ""),),
    )
    exist = f"import os; assert os.path.exists({a!r}) and os.path.exists({b!r})"
    found = carried_out(tmp_path, (together, ((Step("c", python(exist), 60, ""),),)))
    assert {result.state for result in found.values()} == {"passed"}


def test_goals_that_are_missed_are_said() -> None:
    assert verdict("times_one_at_a_time", 4.5).endswith("met)")
    assert "MISSED" in verdict("times_one_at_a_time", 3.5)
    assert "MISSED" in verdict("bytes_not_given_back", 1 << 30)
    assert verdict("bytes_not_given_back", 0).endswith("met)")
    assert verdict("load_s", 9.0) == ""


def test_without_cuda_the_check_fails_at_once_and_says_why(tmp_path: Path) -> None:
    """The real first step, on a machine whose PyTorch has no device."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a device here")
    found = carried_out(tmp_path, stages(tmp_path, SHAPES))
    assert not any(result.state == "passed" for result in found.values())
    assert "exllamav2" in found["machine"].why
    assert {result.why for name, result in found.items() if name != "machine"} == {"machine failed"}


def reference(folder: Path, *names: str) -> dict[str, dict[str, Any]]:
    """Steps of the real check over the reference, from the command line to the file it writes."""
    only = [word for name in names for word in ("--only", name)]
    json_file = folder / "found.json"
    main(["--reference", "--shapes", "tiny", "--json", str(json_file), *only])
    record = json.loads(json_file.read_text())
    assert record["provenance"]["of"] == "the reference on a CPU"
    assert {"date", "commit", "processor", "device"} <= record["provenance"].keys()
    return {step["step"]: step for step in record["steps"]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_rates_and_the_engine_are_checked_over_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (
        "machine",
        "extension",
        "folders",
        "attention",
        "agreement",
        "memory",
        "rates.tiny",
        "engine.tiny",
    )
    found = reference(tmp_path, *names)
    states = {name: step["state"] for name, step in found.items()}
    left_out = {"extension": "left out", "agreement": "left out"}
    table = capsys.readouterr().out
    assert states == {name: left_out.get(name, "passed") for name in names}, table
    assert found["attention"]["figures"]["chosen"] == "PyTorch, pages gathered"
    assert found["memory"]["figures"]["times_out_of_memory"] > 0
    assert found["memory"]["figures"]["answered_although"] > 0
    assert 0.7 < found["rates.tiny"]["figures"]["prefill_reused_share"] < 1.0  # one long system text
    engine = found["engine.tiny"]["figures"]
    for name in ("times_one_at_a_time", "times_operator_by_operator", "share_of_peak_decode"):
        assert engine[name] > 0
    assert 0.5 < engine["prefill_reused_share"] < 1.0
    assert "(goal at least 4:" in table


@pytest.mark.slow
def test_the_trainer_is_checked_over_the_reference(tmp_path: Path) -> None:
    found = reference(tmp_path, "training")["training"]
    assert found["state"] == "passed", found["why"]
    figures = found["figures"]
    assert figures["again"] == figures["with_a_stop"] == "the same weights"
    assert figures["first_loss_differs_by"] == 0.0
    assert "llama.cpp reads it" in figures["exported"]


def test_weights_that_differ_fail_the_check_of_the_trainer(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, values in ((one, [1.0, 2.0]), (other, [1.0, 2.0000002])):
        folder.mkdir()
        save_file({"weight/norm": np.array(values, np.float32)}, folder / "checkpoint.safetensors")
    compare_weights(one, one)
    with pytest.raises(SystemExit, match="other: 1 of 1 tensors differ: weight/norm"):
        compare_weights(one, other)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_workloads_run_on_either_worker_and_one_that_is_killed_comes_back(tmp_path: Path) -> None:
    found = reference(tmp_path, "workloads", "runs")
    assert found["runs"]["state"] == "passed", found["runs"]["why"]
    figures = found["runs"]["figures"]
    for name in ("on_gpu_rows", "worker_killed_rows", "on_cpu_and_gpu_rows"):
        assert figures[name] == 6
    assert figures["calls_in_flight_when_killed"] > 0
    assert figures["restarts"] == 1
