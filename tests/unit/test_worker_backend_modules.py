"""Backends named in the environment, for tests of crashes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.backends.registry import load_backend
from engine.errors import ConfigError
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile
from engine.testing.poison_backend import PREPARE_VARIABLE, PoisonBackend
from engine.worker.loading import describe_build, find_loader, find_preparer

VARIABLE = "HALOCTL_BACKEND_MODULES"


def test_without_the_variable_the_registry_loads():
    assert find_loader({}) is load_backend
    assert describe_build("echo", {}).startswith("echo")


def test_named_module_loads_its_backend_and_leaves_the_others():
    environment = {VARIABLE: "poison=engine.testing.poison_backend"}
    load = find_loader(environment)
    poison = load(ModelFile(name=ModelName("m"), backend="poison", path="/none"), 1 << 20)
    assert isinstance(poison, PoisonBackend)
    echo = load(ModelFile(name=ModelName("m"), backend="echo", path="/none"), 1 << 20)
    assert not isinstance(echo, PoisonBackend)
    assert describe_build("poison", environment) == "engine.testing.poison_backend"


def test_saying_what_computes_imports_it_so_that_no_load_has_to():
    said = "engine.testing.fixed_answers"
    environment = {VARIABLE: f"llama_cpp={said}"}
    script = (
        "import sys; from engine.worker.loading import describe_build;"
        f"print(describe_build('llama_cpp', {environment}), 'llama_cpp' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [said, "True"]


def test_what_is_compiled_first_is_the_named_module_s_own_affair(tmp_path, monkeypatch):
    monkeypatch.setenv(PREPARE_VARIABLE, str(tmp_path / "missing"))
    prepare = find_preparer(
        {VARIABLE: "poison=engine.testing.poison_backend, plain=engine.testing.fixed_answers"}
    )
    with pytest.raises(FileNotFoundError):
        prepare("poison")
    prepare("plain")  # has nothing to compile
    prepare("echo")
    with pytest.raises(ConfigError, match="exllamav2"):
        prepare("exllamav2")


@pytest.mark.parametrize("value", ["poison", "=x", "poison=no.such.module", "poison=engine.errors"])
def test_bad_entries_are_named(value):
    with pytest.raises(ConfigError, match=VARIABLE):
        find_loader({VARIABLE: value})
