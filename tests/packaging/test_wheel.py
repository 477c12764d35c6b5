"""The wheel, built and installed: what it holds, and that it runs anywhere but in the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

ECHO = """
[models.toy]
backend = "echo"

[paths]
runs = "runs"
cache = "cache"
"""

WORKFLOW = """
workflow: ask
inputs:
  question: {type: string}
models: {m: toy}
operators:
  answer:
    kind: llm
    model: m
    prompt: "Question: {{ question }}"
    max_tokens: 8
outputs:
  answer: "{{ answer }}"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """bin/ of a new environment with the wheel, and this one's third-party packages on its path."""
    place = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-cache-dir", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    site = next((place / "lib").glob("python*/site-packages"))
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return place / "bin"


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "haloctl.toml").write_text(ECHO, encoding="utf-8")
    (tmp_path / "ask.yaml").write_text(WORKFLOW, encoding="utf-8")
    (tmp_path / "questions.csv").write_text("question\nwhat\nwhy\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def hostile(elsewhere):
    for name in ("engine", "tools", "workflows", "trio", "msgspec"):
        text = f"raise SystemExit('{name}.py of the current folder was imported')\n"
        (elsewhere / f"{name}.py").write_text(text, encoding="utf-8")
    return elsewhere


def call(installed, folder, *arguments, program="haloctl", **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HALOCTL_", "PYTHON"))} | environment
    command = [str(installed / program), *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def test_wheel_holds_the_four_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"haloctl", "engine", "tools", "workflows"}
    for package in tops:
        assert f"{package}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "workflows/tpch/brief.yaml" in names
    assert "workflows/tpch/questions.csv" in names
    assert "workflows/mini/tokenizer.json" in names
    assert "workflows/mini/haloctl-mini.gguf" in names
    assert not any("test" in name.lower() for name in names if not name.startswith("engine/testing/"))


def test_packages_come_from_the_wheel(installed, tmp_path):
    code = "import engine, haloctl, tools, workflows; print(engine.__file__, haloctl.__file__)"
    done = call(installed, tmp_path, "-c", code, program="python")
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout
    assert str(installed.parent) in done.stdout


def test_help_names_every_command(installed, tmp_path):
    done = call(installed, tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    for command in ("batch", "plan", "validate", "resume", "doctor"):
        assert command in done.stdout


@pytest.mark.parametrize("folder", ["elsewhere", "hostile"])
def test_validate_and_batch_run_from_any_folder(installed, folder, request):
    place = request.getfixturevalue(folder)
    checked = call(installed, place, "validate", "ask.yaml")
    assert checked.returncode == 0, checked.stderr
    done = call(installed, place, "batch", "ask.yaml", "-i", "questions.csv", "-o", "out.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == {"ok": 2, "failed": 0, "quarantined": 0}
    assert len((place / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_running_as_a_module_refuses_shadowed_packages(installed, elsewhere):
    (elsewhere / "tools.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    done = call(installed, elsewhere, "-m", "haloctl", "validate", "ask.yaml", program="python")
    assert done.returncode == 2
    assert f"{elsewhere / 'tools.py'} shadows haloctl's own package" in done.stderr


def test_python_path_entries_do_not_shadow_silently(installed, elsewhere):
    bad = elsewhere / "bad"
    bad.mkdir()
    (bad / "engine.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    done = call(installed, elsewhere, "validate", "ask.yaml", PYTHONPATH=str(bad))
    assert done.returncode == 2
    assert "shadows" in done.stderr


def test_a_detached_run_goes_on_by_itself_from_any_folder(installed, hostile):
    """It finds its own packages where there is no checkout, in a folder that offers others."""
    done = call(
        installed,
        hostile,
        "batch",
        "ask.yaml",
        "-i",
        "questions.csv",
        "-o",
        "out.jsonl",
        "--detach",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(said["pid"]).wait(timeout=120)
    log = (Path(said["directory"]) / "coordinator.log").read_text(encoding="utf-8")
    assert "2 ok" in log
    assert len((hostile / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    shown = call(installed, hostile, "show", said["run"], "--json")
    assert shown.returncode == 0, shown.stderr
    again = call(installed, hostile, "resume", said["run"], "--detach", "--json")
    assert again.returncode == 0, again.stderr
    with suppress(psutil.NoSuchProcess):
        psutil.Process(json.loads(again.stdout)["pid"]).wait(timeout=120)
    assert len((hostile / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 2
